/** @file The one piece of arithmetic that steps are made of. */

import { type FloatTensor, floatTensor, formatShape, sameShape } from "../core/tensor.js";

type Term = readonly [weight: number, tensor: FloatTensor];

/** The sum of weight * tensor over tensors of one shape. */
export function weightedSum(...terms: readonly [Term, ...Term[]]): FloatTensor {
  const [[, { shape, data }]] = terms;
  const total = new Float64Array(data.length);
  for (const [weight, tensor] of terms) {
    if (!sameShape(tensor.shape, shape)) {
      throw new RangeError(`a sample ${formatShape(shape)} with an output ${formatShape(tensor.shape)}`);
    }
    for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + weight * (tensor.data[i] ?? 0);
  }
  return floatTensor(shape, Float32Array.from(total));
}
