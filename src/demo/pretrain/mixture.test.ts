import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "../../core/random.js";
import { splitOf } from "../../world/splits.js";
import { promptLength } from "./configs.js";
import { drawPair } from "./mixture.js";

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
    assert.ok(Math.abs(positions - 0.1) < 0.02, `${positions}`);
  });
});
