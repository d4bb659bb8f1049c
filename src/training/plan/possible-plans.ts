/** @file The possible execution plans of a training graph, fastest first. */

import { defaultPairsPerRun, type ExecutionPlan } from "../../objectives/execution-plan.js";
import type { Precision } from "../../runtime/engine.js";

/** Whether to use an option that trades compute and memory: depending on the available memory, always, or never. */
export const tradeOffs = ["auto", "always", "never"] as const;
export type TradeOff = (typeof tradeOffs)[number];

export interface PlanConstraints {
  /** Image-caption pairs per group, which is divided into runs. */
  readonly pairs: number;
  readonly tokensPerPair: number;
  /** The engine's precision. */
  readonly precision: Precision;
  /** An explicit number of pairs per run. */
  readonly pairsPerRun?: number | undefined;
  readonly checkpoints: TradeOff;
  readonly repack: TradeOff;
  /** Whether fewer than the default pairs per run may be combined with activation checkpointing. */
  readonly limited: boolean;
}

/** Below this many tokens per run, slow small products outweigh the gain of keeping activations. */
const minTokensPerRun = 1024;

/**
 * Plans in the order in which to try them. Plans that keep activations come first, since an MM-DiT pair then takes only four fifths of
 * the operations; they go down to one pair per run if pairs are large enough. Repacked weights come first within each, since they
 * save 10 to 25% of the time.
 */
export function possiblePlans(constraints: PlanConstraints): readonly ExecutionPlan[] {
  const repacking = constraints.repack === "auto" ? [true, false] : [constraints.repack === "always"];
  return withoutRepacking(constraints).flatMap((plan) =>
    repacking.map((repackWeights) => ({ ...plan, repackWeights })),
  );
}

function withoutRepacking(constraints: PlanConstraints): readonly Omit<ExecutionPlan, "repackWeights">[] {
  const { pairs, tokensPerPair, precision, pairsPerRun: given, checkpoints, limited } = constraints;
  const defaultPairs = defaultPairsPerRun(pairs, tokensPerPair, precision);
  const sizes = given === undefined ? evenDivisions(pairs).filter((size) => size <= defaultPairs) : [given];
  const large = sizes.filter((size, index) => index === 0 || size * tokensPerPair >= minTokensPerRun);
  const kept = (checkpoints === "never" ? sizes : large).map((size) => ({ pairsPerRun: size, checkpoints: false }));
  const checkpointed = (limited ? sizes : sizes.slice(0, 1)).map((size) => ({ pairsPerRun: size, checkpoints: true }));
  switch (checkpoints) {
    case "always":
      return checkpointed;
    case "never":
      return kept;
    case "auto":
      return [...kept, ...checkpointed];
  }
}

/** Pairs per run that divide `pairs` evenly, in decreasing order. */
function evenDivisions(pairs: number): number[] {
  const all = Array.from({ length: pairs }, (_, parts) => Math.ceil(pairs / (parts + 1)));
  return [...new Set(all)];
}
