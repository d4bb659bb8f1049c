import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { defaultPairsPerRun, type ExecutionPlan } from "../../objectives/execution-plan.js";
import { precisions } from "../../runtime/engine.js";
import { possiblePlans, tradeOffs } from "./possible-plans.js";

/** `4` is four pairs per run, `4+` with activation checkpointing, `4r` with repacked weights. */
const summary = (plans: readonly ExecutionPlan[]) =>
  plans
    .map(
      ({ pairsPerRun, checkpoints, repackWeights }) =>
        `${pairsPerRun}${checkpoints ? "+" : ""}${repackWeights ? "r" : ""}`,
    )
    .join(" ");

const large = { pairs: 4, tokensPerPair: 1024 + 154, precision: "fp32", repack: "never" } as const;
const middle = { ...large, pairs: 8, tokensPerPair: 400 };
const small = { ...large, pairs: 8, tokensPerPair: 81 };

describe("possiblePlans", () => {
  it("prefers fewer pairs per run to activation checkpointing if runs remain large", () => {
    const auto = { checkpoints: "auto", limited: false } as const;
    assert.equal(summary(possiblePlans({ ...large, ...auto })), "2 1 2+");
    assert.equal(summary(possiblePlans({ ...middle, ...auto })), "8 4 3 8+");
    assert.equal(summary(possiblePlans({ ...small, ...auto })), "8 8+");
    assert.equal(summary(possiblePlans({ ...large, tokensPerPair: 5000, ...auto })), "1 1+");
    assert.equal(summary(possiblePlans({ ...large, ...auto, precision: "bf16" })), "4 2 1 4+");
  });
  it("also combines fewer pairs with activation checkpointing if memory is limited", () => {
    const auto = { checkpoints: "auto", limited: true } as const;
    assert.equal(summary(possiblePlans({ ...large, ...auto })), "2 1 2+ 1+");
    assert.equal(summary(possiblePlans({ ...small, ...auto })), "8 8+ 4+ 3+ 2+ 1+");
  });
  it("tries repacked weights first", () => {
    const auto = { checkpoints: "auto", repack: "auto", limited: false } as const;
    assert.equal(summary(possiblePlans({ ...large, ...auto })), "2r 2 1r 1 2+r 2+");
    assert.equal(summary(possiblePlans({ ...large, ...auto, checkpoints: "never" })), "2r 2 1r 1");
    assert.equal(summary(possiblePlans({ ...large, ...auto, repack: "always" })), "2r 1r 2+r");
  });
  it("respects explicit constraints", () => {
    assert.equal(summary(possiblePlans({ ...large, checkpoints: "always", limited: false })), "2+");
    assert.equal(summary(possiblePlans({ ...small, checkpoints: "never", limited: false })), "8 4 3 2 1");
    assert.equal(summary(possiblePlans({ ...small, pairsPerRun: 2, checkpoints: "auto", limited: true })), "2 2+");
    assert.equal(summary(possiblePlans({ ...small, pairsPerRun: 2, checkpoints: "never", limited: false })), "2");
  });
  it("always returns plans, ordered by decreasing memory, with at most the default pairs per run", () => {
    fc.assert(
      fc.property(
        fc.record({
          pairs: fc.integer({ min: 1, max: 300 }),
          tokensPerPair: fc.integer({ min: 1, max: 9000 }),
          checkpoints: fc.constantFrom(...tradeOffs),
          limited: fc.boolean(),
          precision: fc.constantFrom(...precisions),
          repack: fc.constantFrom(...tradeOffs),
        }),
        (constraints) => {
          const tried = possiblePlans(constraints);
          const plans = tried.filter(({ repackWeights }) => repackWeights === (constraints.repack === "always"));
          assert.equal(tried.length, constraints.repack === "auto" ? 2 * plans.length : plans.length);
          const defaultPairs = defaultPairsPerRun(constraints.pairs, constraints.tokensPerPair, constraints.precision);
          assert.equal(plans[0]?.pairsPerRun, defaultPairs);
          const kept = plans.filter(({ checkpoints }) => !checkpoints);
          const checkpointed = plans.filter(({ checkpoints }) => checkpoints);
          assert.deepEqual([...kept, ...checkpointed], plans);
          for (const { pairsPerRun } of plans)
            assert.ok(Number.isInteger(pairsPerRun) && pairsPerRun >= 1 && pairsPerRun <= defaultPairs);
          for (const kind of [kept, checkpointed])
            assert.ok(kind.every(({ pairsPerRun }, i) => i === 0 || pairsPerRun < (kind[i - 1]?.pairsPerRun ?? 0)));
          for (const { pairsPerRun } of constraints.checkpoints === "auto" ? kept : []) {
            assert.ok(pairsPerRun === defaultPairs || pairsPerRun * constraints.tokensPerPair >= 1024);
          }
        },
      ),
    );
  });
});
