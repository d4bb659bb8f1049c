/** @file The one piece of arithmetic that steps are made of. */

import { type FloatTensor, floatTensor, formatShape, sameShape } from "../core/tensor.js";

/** The sum of weight * tensor over tensors of one shape. */
export function weightedSum(...terms: readonly (readonly [weight: number, tensor: FloatTensor])[]): FloatTensor {
  const { shape } = terms[0][1];
  const total = new Float64Array(terms[0][1].data.length);
  for (const [weight, tensor] of terms) {
    if (!sameShape(tensor.shape, shape)) {
      throw new RangeError(`a sample ${formatShape(shape)} with an output ${formatShape(tensor.shape)}`);
    }
    for (let i = 0; i < total.length; i++) total[i] += weight * tensor.data[i];
  }
  return floatTensor(shape, Float32Array.from(total));
}
