import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "../core/random.js";
import { repetitions } from "../testing/core/repetitions.js";
import { caption, registers } from "./caption.js";
import { nearMiss } from "./near-miss.js";
import { sampleScene } from "./sample-scene.js";
import { categories, colours, type ObjectShape, type Scene, shapes } from "./scene.js";
import { heldOutCombinations, heldOutShapePairs, heldOutShapesOf, sceneSplit } from "./splits.js";
import { colourWords, nouns } from "./words.js";

const kinds = colours.flatMap((colour) => heldOutShapesOf[colour].map((shape) => ({ colour, shape })));

/** Which shapes a caption names, in any of their words. */
function shapesNamed(text: string): ObjectShape[] {
  const said = new Set(text.match(/[a-z0-9]+/g));
  return shapes.filter((shape) => [...nouns[shape].one, ...nouns[shape].many].some((noun) => said.has(noun)));
}

/** Every way to say outright that a shape has a colour. */
const heldOutPhrases = kinds.flatMap(({ colour, shape }) =>
  [...nouns[shape].one, ...nouns[shape].many].flatMap((noun) =>
    colourWords[colour].flatMap((word) => [
      `${word} ${noun}`,
      `${noun} in ${word}`,
      `${noun} that is ${word}`,
      `${noun} that are ${word}`,
    ]),
  ),
);
const heldOutPhrase = new RegExp(`\\b(${heldOutPhrases.join("|")})\\b`);

describe("what training never shows", () => {
  it("is a fifth of all kinds, one of every colour, and leaves every shape most colours and two companions", () => {
    assert.equal(kinds.length, 8);
    for (const colour of colours) assert.equal(heldOutShapesOf[colour].length, 1, colour);
    for (const shape of shapes) {
      assert.ok(kinds.filter((kind) => kind.shape === shape).length <= 2, shape);
      assert.ok(heldOutShapePairs.flat().filter((other) => other === shape).length <= 2, shape);
    }
  });

  it("is in none of up to 50,000 training scenes and in none of their captions, near misses included", () => {
    const generator = new Generator(20);
    const check = (scene: Scene, index: number): void => {
      assert.deepEqual(heldOutCombinations(scene.objects), []);
      const text = caption(scene, registers[index % registers.length], generator);
      assert.doesNotMatch(text, heldOutPhrase);
      const [first, second] = shapesNamed(text);
      const pair = first && second ? [{ shape: first }, { shape: second }] : [];
      assert.deepEqual(
        heldOutCombinations(pair.map((thing) => ({ ...thing, colour: trainColour(thing.shape) }))),
        [],
        text,
      );
    };
    for (let index = 0; index < repetitions(50_000); index++) {
      const scene = sampleScene("train", generator);
      check(scene, index);
      if (index % 5 === 0) check(nearMiss(scene, generator).scene, index / 5);
    }
  });

  it("still leaves every kind and pair of shapes that is not held out", () => {
    const generator = new Generator(21);
    const seen = new Set<string>();
    for (let index = 0; index < 6000; index++) {
      const { objects } = sampleScene("train", generator);
      for (const { colour, shape } of objects) seen.add(`${colour} ${shape}`);
      const [first, second] = objects.map(({ shape }) => shape).sort();
      if (second && first !== second) seen.add(`${first} + ${second}`);
    }
    assert.equal(seen.size, 40 - 8 + 10 - 3);
  });

  it("is in every held-out scene, as what its category is about", () => {
    const generator = new Generator(22);
    for (const category of categories) {
      const aboutPairs = category === "two" || category === "position";
      for (let index = 0; index < 300; index++) {
        const scene = sampleScene("held-out", generator, category);
        assert.equal(sceneSplit(scene), "held-out");
        for (const found of heldOutCombinations(scene.objects)) assert.equal(found.includes("+"), aboutPairs, found);
      }
    }
  });
});

/** A colour in which training shows the shape, for checks that are about shapes alone. */
function trainColour(shape: ObjectShape): (typeof colours)[number] {
  const colour = colours.find((candidate) => !heldOutShapesOf[candidate].includes(shape));
  assert.ok(colour);
  return colour;
}
