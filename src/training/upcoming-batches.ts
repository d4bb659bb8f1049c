/** @file A lookahead over batches, so that they can be encoded ahead of training. */

import { at } from "../core/lists.js";
import type { BatchSampler, SamplerState, TrainingPair } from "./batches.js";

/** Returns the batches of a sampler in order; looking ahead does not change them. */
export class UpcomingBatches {
  private readonly queue: (readonly TrainingPair[])[] = [];
  private failure: { readonly error: unknown } | undefined;

  constructor(private readonly sampler: BatchSampler) {}

  /** Up to `limit` next batches. Ends early if the sampler fails; `next` throws that error when it reaches the failed batch. */
  *peek(limit: number): Generator<readonly TrainingPair[], void> {
    for (let index = 0; index < limit; index++) {
      if (index === this.queue.length && !this.advance()) return;
      yield at(this.queue, index);
    }
  }

  next(): readonly TrainingPair[] {
    if (this.queue.length === 0) this.advance();
    const batch = this.queue.shift();
    if (batch === undefined) throw this.failure?.error;
    return batch;
  }

  /** The sampler's state without the lookahead. */
  state(): SamplerState {
    const { seed, batches } = this.sampler.state();
    return { seed, batches: batches - this.queue.length };
  }

  private advance(): boolean {
    if (this.failure !== undefined) return false;
    try {
      this.queue.push(this.sampler.next());
      return true;
    } catch (error) {
      this.failure = { error };
      return false;
    }
  }
}
