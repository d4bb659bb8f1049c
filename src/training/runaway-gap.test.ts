import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type GapSample, runawayGapWarning } from "./runaway-gap.js";

const history = (...pairs: [gap: number, matched: number][]): GapSample[] =>
  pairs.map(([gap, matched], index) => ({ step: 100 * index, gap, matched }));

describe("runawayGapWarning", () => {
  it("warns if the gap and the matched error grow", () => {
    const warning = runawayGapWarning(history([0.01, 0.3], [0.02, 0.29], [0.03, 0.291], [0.05, 0.3]));
    assert.match(warning ?? "", /^step 300: .*gap 0\.0200 -> 0\.0500.*\(0\.3000, minimum 0\.2900 at step 100\)/);
    assert.doesNotMatch(warning ?? "", /\n/);
  });

  it("does not warn of a short history, of noise, or of successful training", () => {
    const cases = [
      [],
      history([0.01, 0.3], [0.02, 0.4]),
      // Both improve.
      history([0.01, 0.3], [0.02, 0.29], [0.03, 0.28], [0.04, 0.27]),
      // Equally worse for all captions.
      history([0.03, 0.3], [0.03, 0.31], [0.03, 0.32], [0.03, 0.33]),
      // Less than 1% worse.
      history([0.01, 0.3], [0.02, 0.3005], [0.03, 0.301]),
      // Not monotonic.
      history([0.01, 0.3], [0.02, 0.31], [0.03, 0.3], [0.04, 0.31]),
      history([0.01, 0.3], [0.03, 0.31], [0.02, 0.32]),
    ];
    for (const each of cases) assert.equal(runawayGapWarning(each), undefined, JSON.stringify(each));
  });
});
