/** @file The ways to run a training graph, from the fastest on: how many pairs together, and whether activations are kept. */

import { defaultChunk } from "../../objectives/chunk.js";
import type { Precision } from "../../runtime/engine.js";

/** When time is given for memory, or the other way round: as memory is, in any case, or not at all. */
export const tradeOffs = ["auto", "always", "never"] as const;
export type TradeOff = (typeof tradeOffs)[number];

export interface RunShape {
  /** Pairs a run of the graph. */
  readonly chunk: number;
  /** Whether blocks are computed a second time in the backward pass instead of keeping their activations. */
  readonly checkpoints: boolean;
  /** Whether the denoiser's weights are copied into the layouts that the engine is fastest with. */
  readonly repackWeights: boolean;
}

export interface ShapeWishes {
  /** Pairs of a row. */
  readonly batch: number;
  readonly tokensAPair: number;
  /** That the engine computes in. */
  readonly precision: Precision;
  /** Pairs a run where they are given. */
  readonly chunk?: number | undefined;
  readonly checkpoints: TradeOff;
  readonly repack: TradeOff;
  /** Whether less than the usual number of pairs may be run with checkpoints too. */
  readonly limited: boolean;
}

/** Below this many tokens a run, products become so small that keeping activations gains less than it loses. */
const fewestTokensARun = 1024;

/**
 * The shapes to try in turn, the last of them where none fits. Without checkpoints an MM-DiT's pair takes four fifths of the
 * operations, so that they come first, down to one pair a run where a pair is large enough to keep the processor busy. Each is
 * tried with repacked weights first, which take a tenth to a quarter off the time.
 */
export function runShapes(wishes: ShapeWishes): readonly RunShape[] {
  const packings = wishes.repack === "auto" ? [true, false] : [wishes.repack === "always"];
  return shapesOf(wishes).flatMap((shape) => packings.map((repackWeights) => ({ ...shape, repackWeights })));
}

function shapesOf(wishes: ShapeWishes): readonly Omit<RunShape, "repackWeights">[] {
  const { batch, tokensAPair, precision, chunk, checkpoints, limited } = wishes;
  const usual = defaultChunk(batch, tokensAPair, precision);
  const chunks = chunk === undefined ? evenChunks(batch).filter((each) => each <= usual) : [chunk];
  const busy = chunks.filter((each, index) => index === 0 || each * tokensAPair >= fewestTokensARun);
  const kept = (checkpoints === "never" ? chunks : busy).map((each) => ({ chunk: each, checkpoints: false }));
  const twice = (limited ? chunks : chunks.slice(0, 1)).map((each) => ({ chunk: each, checkpoints: true }));
  switch (checkpoints) {
    case "always":
      return twice;
    case "never":
      return kept;
    case "auto":
      return [...kept, ...twice];
  }
}

/** Pairs a run that divide a row of `batch` captions evenly, the largest first. */
function evenChunks(batch: number): number[] {
  const all = Array.from({ length: batch }, (_, parts) => Math.ceil(batch / (parts + 1)));
  return [...new Set(all)];
}
