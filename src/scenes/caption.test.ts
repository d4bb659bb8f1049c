import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { caption, carefulCaption, maxCaptionWords, phrase, registers, vocabulary } from "./caption.js";
import { describe as describeScene, essentials } from "./describe.js";
import { heldOutPrompts } from "./prompts.js";
import { sampleScene } from "./sample-scene.js";
import { categories, type Scene } from "./scene.js";
import { colourWords, nouns, relationWords, sideWords } from "./words.js";

const wordsOf = (text: string): string[] => text.match(/[a-z0-9]+/g) ?? [];

/** Whether a text names one of the words, as words. */
function names(text: string, synonyms: readonly string[]): boolean {
  return new RegExp(`\\b(${synonyms.join("|")})\\b`).test(text);
}

function assertNamesEssentials(text: string, scene: Scene): void {
  for (const { shape, colour, count } of essentials(scene).mentions) {
    assert.ok(shape && names(text, nouns[shape][count === 1 ? "one" : "many"]), `${text}: ${shape}`);
    if (colour) assert.ok(names(text, colourWords[colour]), `${text}: ${colour}`);
    if (count && count > 1)
      assert.ok(names(text, [String(count), ["two", "three", "four"][count - 2] ?? ""]), `${text}: ${count}`);
  }
}

describe("captions", () => {
  it("use every word of the vocabulary and no other, in lower case, 24 at most", () => {
    const generator = new Generator(1);
    const said = new Set<string>();
    for (let index = 0; index < 40_000; index++) {
      const scene = sampleScene(index % 3 === 0 ? "held-out" : "train", generator);
      const text = caption(scene, registers[index % registers.length] ?? "careful", generator);
      assert.match(text, /^[a-z0-9]+([,:]? [a-z0-9]+)*$/);
      const words = wordsOf(text);
      assert.ok(words.length <= maxCaptionWords, text);
      for (const word of words) said.add(word);
    }
    assert.deepEqual([...said].sort(), vocabulary);
    assert.ok(vocabulary.length < 200);
  });

  it("are the same for the same seed, and many for one scene", () => {
    const scene = sampleScene("train", new Generator(4), "attribution");
    for (const register of registers) {
      assert.equal(caption(scene, register, new Generator(5)), caption(scene, register, new Generator(5)));
      const generator = new Generator(6);
      const different = new Set(Array.from({ length: 200 }, () => caption(scene, register, generator)));
      assert.ok(different.size > 60, `${register}: ${different.size}`);
    }
  });

  it("of the careful register name all that their category is about", () => {
    const generator = new Generator(7);
    for (let index = 0; index < 4000; index++) {
      const scene = sampleScene("train", generator);
      assertNamesEssentials(carefulCaption(scene, generator), scene);
    }
  });

  it("of the other registers leave out more, and only the noisy ones are wrong", () => {
    const generator = new Generator(8);
    const none = { careful: 0, catalogue: 0, alt: 0, tags: 0, noisy: 0 };
    const complete = { ...none };
    const wrong = { ...none };
    for (let index = 0; index < 2000; index++) {
      const scene = sampleScene("train", generator, "colours");
      const [object] = scene.objects;
      assert.ok(object);
      for (const register of registers) {
        const text = caption(scene, register, generator);
        if (names(text, colourWords[object.colour]) && names(text, nouns[object.shape].one)) complete[register]++;
        const otherShape = Object.entries(nouns).some(([shape, { one }]) => shape !== object.shape && names(text, one));
        const otherColour = Object.entries(colourWords).some(
          ([colour, said]) => colour !== object.colour && names(text, said),
        );
        if (otherShape || otherColour) wrong[register]++;
      }
    }
    assert.deepEqual([complete.careful, complete.catalogue], [2000, 2000]);
    assert.ok(complete.tags > 1500 && complete.tags < 1700, `${complete.tags}`);
    assert.ok(complete.alt > 1750 && complete.alt < 1950, `${complete.alt}`);
    assert.ok(complete.noisy < 700, `${complete.noisy}`);
    assert.deepEqual({ ...wrong, noisy: 0 }, none);
    assert.ok(wrong.noisy > 500, `${wrong.noisy}`);
  });

  it("say rightly which object lies where", () => {
    const generator = new Generator(9);
    for (let index = 0; index < 2000; index++) {
      const scene = sampleScene("train", generator, "position");
      const text = phrase(essentials(scene), "careful", generator);
      const [first, second] = scene.objects;
      assert.ok(first && second && scene.relation);
      const at = (shape: keyof typeof nouns): number =>
        text.search(new RegExp(`\\b(${nouns[shape].one.join("|")})\\b`));
      const [a, b] = at(first.shape) < at(second.shape) ? [first, second] : [second, first];
      const [start, end] = [at(a.shape), at(b.shape)];
      const axis = scene.relation === "left" || scene.relation === "right" ? "x" : "y";
      const before = axis === "x" ? "left" : "above";
      const after = axis === "x" ? "right" : "below";
      const firstBefore = a[axis] < b[axis];
      const side = new RegExp(
        `${sideWords[firstBefore ? before : after].phrase} a \\w+, ${sideWords[firstBefore ? after : before].phrase}`,
      );
      const related = relationWords[firstBefore ? before : after].join("|");
      const inverse = relationWords[firstBefore ? after : before].join("|");
      const said =
        side.test(text) ||
        new RegExp(`(?<!and )\\b(${related}) a`).test(text.slice(start, end + 1)) ||
        new RegExp(`, and (${inverse}) it a`).test(text.slice(start, end + 1)) ||
        new RegExp(`^(${inverse}) a`).test(text);
      assert.ok(said, `${text} (${a.shape} is ${firstBefore ? before : after})`);
    }
  });

  it("in full can be had in every register's style", () => {
    const generator = new Generator(10);
    for (let index = 0; index < 2000; index++) {
      const scene = sampleScene("held-out", generator);
      for (const register of registers)
        assertNamesEssentials(phrase(describeScene(scene, generator), register, generator), scene);
    }
  });

  it("cannot count to six", () => {
    const scene = sampleScene("train", new Generator(11), "counting");
    const { mentions, ...rest } = essentials(scene);
    const six = { ...rest, mentions: mentions.map((mention) => ({ ...mention, count: 6 })) };
    assert.throws(() => phrase(six, "careful", new Generator(1)), UsageError);
  });
});

describe("held-out prompts", () => {
  it("are balanced, distinct, and begin alike whatever their number", () => {
    const prompts = heldOutPrompts(600, 1);
    for (const category of categories) {
      assert.equal(prompts.filter((prompt) => prompt.category === category).length, 100);
    }
    assert.equal(new Set(prompts.map(({ prompt }) => prompt)).size, 600);
    assert.deepEqual(heldOutPrompts(60, 1), prompts.slice(0, 60));
    assert.notDeepEqual(heldOutPrompts(60, 2), prompts.slice(0, 60));
    assert.throws(() => heldOutPrompts(1.5, 1), UsageError);
  });

  it("name all that is expected of their image", () => {
    for (const register of registers) {
      for (const { prompt, scene } of heldOutPrompts(300, 3, register)) assertNamesEssentials(prompt, scene);
    }
  });
});
