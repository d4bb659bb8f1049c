import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "#softrepa/core/random.js";
import { isCropped } from "#softrepa/scenes/sample-scene.js";
import { sceneSplit } from "#softrepa/scenes/splits.js";
import { promptLength } from "./configs.js";
import { drawCaption, drawTrainingScene } from "./mixture.js";

describe("the mixture that the pipeline is trained on", () => {
  it("shows no held-out combination, and hardly ever a caption longer than the text encoders read", () => {
    const random = new Generator(1);
    const words = (text: string): number => text.match(/[a-z]+|[0-9]|[,:]/g)?.length ?? 0;
    const pairs = Array.from({ length: 4000 }, () => {
      const scene = drawTrainingScene(random);
      return { scene, text: drawCaption(scene, random) };
    });
    assert.ok(pairs.every(({ scene }) => sceneSplit(scene) === "train"));
    assert.ok(pairs.filter(({ text }) => words(text) > promptLength - 2).length < 4);
    const marked =
      pairs.filter(({ text }) => /, (catalogue|archive|museum|encyclopedia)$/.test(text)).length / pairs.length;
    assert.ok(Math.abs(marked - 0.24) < 0.03, `${marked}`);
    const cut = pairs.filter(({ scene }) => isCropped(scene));
    assert.ok(Math.abs(cut.length / pairs.length - 0.25) < 0.03, `${cut.length}`);
    assert.ok(!cut.some(({ text }) => /^(there|we|this|a) |catalogue|archive|museum|encyclopedia/.test(text)));
    const positions = pairs.filter(({ scene }) => scene.category === "position").length / pairs.length;
    assert.ok(Math.abs(positions - 0.2) < 0.025, `${positions}`);
  });
});
