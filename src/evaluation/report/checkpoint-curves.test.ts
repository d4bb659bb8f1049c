import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../../core/errors.js";
import type { ItemScore } from "../paired-comparison.js";
import { wilson } from "../statistics.js";
import { checkpointCurves } from "./checkpoint-curves.js";

const accuracy = { name: "accuracy", kind: "verdict", better: "higher" } as const;
const scores = (category: string, ...list: number[]): ItemScore[] =>
  list.map((score, i) => ({ prompt: `${category} ${i}`, seed: i, category, score }));

describe("curves over checkpoints", () => {
  it("have a panel for all and one a category, steps in order, missing points missing", () => {
    const curves = checkpointCurves(
      [
        { step: 500, items: [...scores("two", 1, 1), ...scores("counting", 0, 0)] },
        { step: 0, items: scores("two", 0, 1) },
      ],
      scores("two", 0, 0),
      accuracy,
    );
    const drawn = curves.panels.map(({ category, baseline, points }) => [
      category,
      baseline,
      points.map(({ step, estimate }) => [step, estimate.value]),
    ]);
    assert.deepEqual(drawn, [
      [
        "all",
        0,
        [
          [0, 0.5],
          [500, 0.5],
        ],
      ],
      [
        "two",
        0,
        [
          [0, 0.5],
          [500, 1],
        ],
      ],
      ["counting", null, [[500, 0]]],
    ]);
    assert.deepEqual(curves.panels[1]?.points[0]?.estimate.interval, wilson(1, 2));
  });

  it("leave out the panel for all where there is one category", () => {
    const { panels } = checkpointCurves([{ step: 1, items: scores("two", 1) }], null, accuracy);
    assert.deepEqual(
      panels.map(({ category, baseline }) => [category, baseline]),
      [["two", null]],
    );
  });

  it("need a score", () => {
    assert.throws(() => checkpointCurves([{ step: 1, items: [] }], null, accuracy), InputError);
  });
});
