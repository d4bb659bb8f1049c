/** @file Where a training run stands between two steps: with the tokens themselves, all it takes to go on. */

import type { GeneratorState } from "../core/random.js";
import type { AdamWState } from "./adamw.js";
import type { SamplerState } from "./batches.js";

/** The learning rate follows from `step`. Arrays are those of the running optimisers: use them before the next step. */
export interface TrainingState {
  /** Steps finished. */
  readonly step: number;
  readonly tokens: AdamWState;
  /** Undefined where there is no time table. */
  readonly timeTable: AdamWState | undefined;
  /** Of timesteps and noise. */
  readonly random: GeneratorState;
  /** Of images, captions and views. */
  readonly sampler: SamplerState;
}
