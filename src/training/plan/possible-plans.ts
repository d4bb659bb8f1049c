/** @file The ways to run a training graph, from the fastest on: how many pairs together, and whether activations are kept. */

import { defaultPairsPerRun, type ExecutionPlan } from "../../objectives/execution-plan.js";
import type { Precision } from "../../runtime/engine.js";

/** When to trade compute for memory: as memory allows, always, or never. */
export const tradeOffs = ["auto", "always", "never"] as const;
export type TradeOff = (typeof tradeOffs)[number];

export interface PlanConstraints {
  /** Image-caption pairs that are divided into runs together. */
  readonly pairs: number;
  readonly tokensPerPair: number;
  /** That the engine computes in. */
  readonly precision: Precision;
  /** Where it is given. */
  readonly pairsPerRun?: number | undefined;
  readonly checkpoints: TradeOff;
  readonly repack: TradeOff;
  /** Whether fewer than the usual number of pairs may be run with checkpoints too. */
  readonly limited: boolean;
}

/** Below this many tokens per run, products become so small that keeping activations gains less than it loses. */
const fewestTokensPerRun = 1024;

/**
 * The plans to try in turn, the last of them where none fits. Without checkpoints an MM-DiT's pair takes four fifths of the
 * operations, so that they come first, down to one pair per run where a pair is large enough to keep the processor busy. Each is
 * tried with repacked weights first, which take a tenth to a quarter off the time.
 */
export function possiblePlans(constraints: PlanConstraints): readonly ExecutionPlan[] {
  const packings = constraints.repack === "auto" ? [true, false] : [constraints.repack === "always"];
  return withoutPacking(constraints).flatMap((plan) => packings.map((repackWeights) => ({ ...plan, repackWeights })));
}

function withoutPacking(constraints: PlanConstraints): readonly Omit<ExecutionPlan, "repackWeights">[] {
  const { pairs, tokensPerPair, precision, pairsPerRun: given, checkpoints, limited } = constraints;
  const usual = defaultPairsPerRun(pairs, tokensPerPair, precision);
  const sizes = given === undefined ? evenDivisions(pairs).filter((size) => size <= usual) : [given];
  const busy = sizes.filter((size, index) => index === 0 || size * tokensPerPair >= fewestTokensPerRun);
  const kept = (checkpoints === "never" ? sizes : busy).map((size) => ({ pairsPerRun: size, checkpoints: false }));
  const twice = (limited ? sizes : sizes.slice(0, 1)).map((size) => ({ pairsPerRun: size, checkpoints: true }));
  switch (checkpoints) {
    case "always":
      return twice;
    case "never":
      return kept;
    case "auto":
      return [...kept, ...twice];
  }
}

/** Pairs per run that divide a row of `pairs` evenly, the largest first. */
function evenDivisions(pairs: number): number[] {
  const all = Array.from({ length: pairs }, (_, parts) => Math.ceil(pairs / (parts + 1)));
  return [...new Set(all)];
}
