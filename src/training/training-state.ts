/** @file The state of a training run between two steps; with the tokens, enough to resume it. */

import type { GeneratorState } from "../core/random.js";
import type { AdamWState } from "./adamw.js";
import type { SamplerState } from "./batches.js";

/** Arrays are shared with the optimizers: use or copy them before the next step. */
export interface TrainingState {
  /** Finished steps; determines the learning rate. */
  readonly step: number;
  readonly tokens: AdamWState;
  /** Undefined without a time table. */
  readonly timeTable: AdamWState | undefined;
  /** Generator of timesteps, noise and candidate captions. */
  readonly random: GeneratorState;
  /** Position in the sequence of batches. */
  readonly sampler: SamplerState;
}
