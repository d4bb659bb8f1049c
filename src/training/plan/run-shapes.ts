/** @file The ways to run a training graph, from the fastest on: how many pairs together, and whether activations are kept. */

import { defaultChunk } from "../../objectives/chunk.js";
import type { Precision } from "../../runtime/engine.js";

/** Whether activations are computed a second time for the gradients: where memory is short, in any case, or not at all. */
export const checkpointUses = ["auto", "always", "never"] as const;
export type CheckpointUse = (typeof checkpointUses)[number];

export interface RunShape {
  /** Pairs a run of the graph. */
  readonly chunk: number;
  /** Whether blocks are computed a second time in the backward pass instead of keeping their activations. */
  readonly checkpoints: boolean;
}

export interface ShapeWishes {
  /** Pairs of a row. */
  readonly batch: number;
  readonly tokensAPair: number;
  /** That the engine computes in. */
  readonly precision: Precision;
  /** Pairs a run where they are given. */
  readonly chunk?: number | undefined;
  readonly checkpoints: CheckpointUse;
  /** Whether less than the usual number of pairs may be run with checkpoints too. */
  readonly limited: boolean;
}

/** Below this many tokens a run, products become so small that keeping activations gains less than it loses. */
const fewestTokensARun = 1024;

/**
 * The shapes to try in turn, the last of them where none fits. Without checkpoints an MM-DiT's pair takes four fifths of the
 * operations, so that they come first, down to one pair a run where a pair is large enough to keep the processor busy.
 */
export function runShapes(wishes: ShapeWishes): readonly RunShape[] {
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
