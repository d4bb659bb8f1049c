/** @file Weighted sums of tensors, the arithmetic of all steps. */

import { type FloatTensor, floatTensor, formatShape, sameShape } from "../core/tensor.js";

type Term = readonly [weight: number, tensor: FloatTensor];

/** The sum of weight * tensor over tensors of equal shape, accumulated in float64. */
export function weightedSum(...terms: readonly [Term, ...Term[]]): FloatTensor {
  const [[, { shape, data }]] = terms;
  const total = new Float64Array(data.length);
  for (const [weight, tensor] of terms) {
    if (!sameShape(tensor.shape, shape)) {
      throw new RangeError(`an output ${formatShape(tensor.shape)} does not fit a sample ${formatShape(shape)}`);
    }
    for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + weight * (tensor.data[i] ?? 0);
  }
  return floatTensor(shape, Float32Array.from(total));
}
