/** @file AdamW (arXiv 1711.05101) with the order of operations of PyTorch. */

import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";

export interface AdamWSettings {
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** The optimizer state of one parameter. */
export interface AdamWState {
  /** Running means of the gradient and its square. */
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** Steps taken. */
  readonly count: number;
}

/** Updates one parameter in place. Elements with zero gradient still move by their moments and weight decay. */
export class AdamW {
  readonly first: Float32Array;
  readonly second: Float32Array;
  count = 0;

  /** Continues from `state` if it is given. */
  constructor(
    readonly parameter: Float32Array,
    private readonly settings: AdamWSettings,
    state?: AdamWState,
  ) {
    const { length } = parameter;
    if (state !== undefined && (state.first.length !== length || state.second.length !== length)) {
      throw new InputError(`the optimizer state has ${state.first.length} values, the soft tokens have ${length}`);
    }
    this.first = state?.first.slice() ?? new Float32Array(length);
    this.second = state?.second.slice() ?? new Float32Array(length);
    this.count = state?.count ?? 0;
  }

  /** Not a copy: the next step changes the arrays. */
  state(): AdamWState {
    return { first: this.first, second: this.second, count: this.count };
  }

  step(gradient: Float32Array, learningRate: number): void {
    const { parameter, first, second } = this;
    const { weightDecay, beta1, beta2, epsilon } = this.settings;
    this.count++;
    const stepSize = learningRate / (1 - beta1 ** this.count);
    const correction = Math.sqrt(1 - beta2 ** this.count);
    const decay = 1 - learningRate * weightDecay;
    for (let i = 0; i < parameter.length; i++) {
      const [g, m, v] = [at(gradient, i), at(first, i), at(second, i)];
      first[i] = m + (g - m) * (1 - beta1);
      second[i] = v * beta2 + g * g * (1 - beta2);
      // Moments are rounded to float32 before use, as in PyTorch.
      const scale = Math.sqrt(at(second, i)) / correction + epsilon;
      parameter[i] = at(parameter, i) * decay - (stepSize * at(first, i)) / scale;
    }
  }
}
