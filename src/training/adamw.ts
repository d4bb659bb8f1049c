/** @file AdamW (arXiv 1711.05101) with PyTorch's order of operations. */

export interface AdamWSettings {
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** Updates one parameter in place; holds its moments. Rows without gradient still decay and coast. */
export class AdamW {
  /** Running means of the gradient and of its square; with `count`, the whole state, for those who save it. */
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** Steps taken. */
  count = 0;

  constructor(
    readonly parameter: Float32Array,
    private readonly settings: AdamWSettings,
  ) {
    this.first = new Float32Array(parameter.length);
    this.second = new Float32Array(parameter.length);
  }

  step(gradient: Float32Array, learningRate: number): void {
    const { parameter, first, second } = this;
    const { weightDecay, beta1, beta2, epsilon } = this.settings;
    this.count++;
    const stepSize = learningRate / (1 - beta1 ** this.count);
    const correction = Math.sqrt(1 - beta2 ** this.count);
    const decay = 1 - learningRate * weightDecay;
    for (let i = 0; i < parameter.length; i++) {
      const g = gradient[i];
      first[i] += (g - first[i]) * (1 - beta1);
      second[i] = second[i] * beta2 + g * g * (1 - beta2);
      parameter[i] = parameter[i] * decay - (stepSize * first[i]) / (Math.sqrt(second[i]) / correction + epsilon);
    }
  }
}
