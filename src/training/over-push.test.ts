import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { overPushWarning, type PushSample } from "./over-push.js";

const history = (...pairs: [gap: number, matched: number][]): PushSample[] =>
  pairs.map(([gap, matched], index) => ({ step: 100 * index, gap, matched }));

describe("the warning of a push without bound", () => {
  it("comes when the gap grows while own captions are explained worse", () => {
    const told = overPushWarning(history([0.01, 0.3], [0.02, 0.29], [0.03, 0.291], [0.05, 0.3]));
    assert.match(told ?? "", /^step 300: .*gap 0\.0200 -> 0\.0500.*error 0\.3000, at best 0\.2900 at step 100/);
    assert.doesNotMatch(told ?? "", /\n/);
  });

  it("does not come from too little, from noise, or where training does what it should", () => {
    const quiet = [
      [],
      history([0.01, 0.3], [0.02, 0.4]),
      // Both better.
      history([0.01, 0.3], [0.02, 0.29], [0.03, 0.28], [0.04, 0.27]),
      // Worse for all captions alike.
      history([0.03, 0.3], [0.03, 0.31], [0.03, 0.32], [0.03, 0.33]),
      // Less than a hundredth worse.
      history([0.01, 0.3], [0.02, 0.3005], [0.03, 0.301]),
      // Up and down.
      history([0.01, 0.3], [0.02, 0.31], [0.03, 0.3], [0.04, 0.31]),
      history([0.01, 0.3], [0.03, 0.31], [0.02, 0.32]),
    ];
    for (const each of quiet) assert.equal(overPushWarning(each), undefined, JSON.stringify(each));
  });
});
