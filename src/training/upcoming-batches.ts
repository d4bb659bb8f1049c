/** @file Batches drawn before their turn, so that what they need can be encoded ahead. */

import { at } from "../core/lists.js";
import type { BatchSampler, SamplerState, TrainingPair } from "./batches.js";

/** Gives the batches of a sampler one by one, and lets those that come next be seen. What comes when does not change by it. */
export class UpcomingBatches {
  private readonly drawn: (readonly TrainingPair[])[] = [];
  private failure: { readonly error: unknown } | undefined;

  constructor(private readonly sampler: BatchSampler) {}

  /** The next batches, `most` at most; it ends early where the data give no more, which `next` says when it gets there. */
  *ahead(most: number): Generator<readonly TrainingPair[], void> {
    for (let index = 0; index < most; index++) {
      if (index === this.drawn.length && !this.draw()) return;
      yield at(this.drawn, index);
    }
  }

  next(): readonly TrainingPair[] {
    if (this.drawn.length === 0) this.draw();
    const batch = this.drawn.shift();
    if (batch === undefined) throw this.failure?.error;
    return batch;
  }

  /** Where the sampler would stand had none been drawn ahead. */
  state(): SamplerState {
    const { seed, batches } = this.sampler.state();
    return { seed, batches: batches - this.drawn.length };
  }

  private draw(): boolean {
    if (this.failure !== undefined) return false;
    try {
      this.drawn.push(this.sampler.next());
      return true;
    } catch (error) {
      this.failure = { error };
      return false;
    }
  }
}
