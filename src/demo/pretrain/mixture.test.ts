import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "../../core/random.js";
import { splitOf } from "../../world/splits.js";
import { promptLength } from "./configs.js";
import { drawPair, drawTrainingScene, lessonsFrom } from "./mixture.js";

describe("the mixture that the pipeline is trained on", () => {
  it("shows no held-out combination, and hardly ever a caption longer than the text encoders read", () => {
    const random = new Generator(1);
    const words = (text: string): number => text.match(/[a-z]+|[0-9]|[,:]/g)?.length ?? 0;
    const pairs = Array.from({ length: 4000 }, () => drawPair(random));
    assert.ok(pairs.every(({ scene }) => splitOf(scene) === "train"));
    assert.ok(pairs.filter(({ text }) => words(text) > promptLength - 2).length < 4);
    const marked = pairs.filter(({ text }) => text.endsWith(", catalogue")).length / pairs.length;
    assert.ok(Math.abs(marked - 0.15) < 0.025, `${marked}`);
    const positions = pairs.filter(({ scene }) => scene.category === "position").length / pairs.length;
    assert.ok(Math.abs(positions - 0.23) < 0.03, `${positions}`);
  });

  it("draws lessons in shares of their own, every scene of a category as likely", () => {
    const random = new Generator(4);
    const scenes = Array.from({ length: 400 }, () => drawTrainingScene(random));
    const lesson = lessonsFrom(scenes);
    const drawn = Array.from({ length: 8000 }, () => lesson(random));
    const share = (indices: readonly number[], category: string) =>
      indices.filter((index) => scenes[index].category === category).length / indices.length;
    assert.ok(Math.abs(share(drawn, "colours") - 0.22) < 0.02);
    assert.ok(Math.abs(share(drawn, "position") - 0.12) < 0.02);
    assert.ok(new Set(drawn).size > 390);
  });
});
