import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { heldOutPrompts } from "./prompts.js";
import { readPrompt } from "./read-prompt.js";
import { oppositeRelation } from "./scene.js";
import type { Expectation } from "./verify.js";

/** The same question in one way of asking it: objects by their shape, since "a left of b" is "b right of a". */
function canonical(expectation: Expectation | null): unknown {
  if (expectation === null) return null;
  const { category, objects, relation } = expectation;
  const sorted = objects.toSorted((a, b) => (a.shape < b.shape ? -1 : 1));
  const swapped = sorted[0] !== objects[0];
  return { category, objects: sorted, relation: relation && swapped ? oppositeRelation[relation] : relation };
}

describe("readPrompt", () => {
  for (const register of ["careful", "catalogue", "alt"] as const) {
    it(`finds the question of every prompt in the register ${register}`, () => {
      for (const seed of [1, 2, 3]) {
        for (const { prompt, expectation } of heldOutPrompts(600, seed, register)) {
          assert.deepEqual(canonical(readPrompt(prompt)), canonical(expectation), prompt);
        }
      }
    });
  }

  it("asks nothing where a word is not the world's, or where it cannot be told what is meant", () => {
    for (const prompt of [
      "",
      "a cat",
      "a red circle on a beach",
      "circles",
      "a circle, a square and a star",
      "a circle on the left",
      "two circles and a star",
      "a circle and a circle",
    ]) {
      assert.equal(readPrompt(prompt), null, prompt);
    }
  });

  it("keeps colours that a prompt names beside what its category is about", () => {
    assert.deepEqual(readPrompt("A red circle left of a square!"), {
      category: "position",
      objects: [
        { shape: "circle", colour: "red", count: 1 },
        { shape: "square", colour: null, count: 1 },
      ],
      relation: "left",
    });
  });
});
