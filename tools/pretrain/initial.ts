/** @file Initial weights, by key and shape, as the reference implementations set them. */

import { Generator } from "#softrepa/core/random.js";
import { type Shape, sizeOf } from "#softrepa/core/tensor.js";

/** The initial values of a weight. */
export type InitialWeight = (name: string, shape: Shape) => Float32Array;

/** Fixed values for keys that match. */
export type InitialRule = readonly [pattern: RegExp, values: (shape: Shape, generator: Generator) => Float32Array];

export function zeros(shape: Shape): Float32Array {
  return new Float32Array(sizeOf(shape));
}

export function normal(deviation: number): (shape: Shape, generator: Generator) => Float32Array {
  return (shape, generator) => generator.normal(shape).data.map((x) => deviation * x);
}

/** Sines and cosines of row and column, [1, side side, width], a quarter of the width each (arXiv 2010.11929's grid in 2-D). */
export function positionTable(side: number): (shape: Shape) => Float32Array {
  return (shape) => {
    const width = shape[2];
    const quarter = width / 4;
    const table = new Float32Array(sizeOf(shape));
    for (let index = 0; index < side * side; index++) {
      [Math.floor(index / side), index % side].forEach((position, axis) => {
        for (let i = 0; i < quarter; i++) {
          // Waves from twice the table's side down to two places.
          const angle = (Math.PI * position) / side ** (1 - i / (quarter - 1));
          const at = index * width + axis * 2 * quarter + i;
          table[at] = Math.sin(angle);
          table[at + quarter] = Math.cos(angle);
        }
      });
    }
    return table;
  };
}

/**
 * The first rule that matches, else: biases 0, norms 1, matrices and kernels normal with variance 2 / (fan in + fan out)
 * (Xavier, as DiT does; arXiv 2212.09748).
 */
export function initialWeights(seed: number, rules: readonly InitialRule[]): InitialWeight {
  const generator = new Generator(seed);
  return (name, shape) => {
    const rule = rules.find(([pattern]) => pattern.test(name));
    if (rule) return rule[1](shape, generator);
    if (shape.length === 1) return new Float32Array(sizeOf(shape)).fill(name.endsWith("weight") ? 1 : 0);
    const receptive = sizeOf(shape.slice(2));
    return normal(Math.sqrt(2 / ((shape[0] + shape[1]) * receptive)))(shape, generator);
  };
}
