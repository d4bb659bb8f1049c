/** @file Goldens of a pipeline without T5 hold its zeros row by row; the pipeline folds them into one row that counts for all. */

import { InputError } from "#softrepa/core/errors.js";
import { type FloatTensor, floatTensor, formatShape, type Shape } from "#softrepa/core/tensor.js";

/**
 * `tensor` [N, L, width] with the rows that `shape` [l, width] of the pipeline has: what lies beyond must be zeros, as the last
 * row that stays. Tensors of the pipeline's own shape are given back as they are.
 *
 * @throws InputError if a row that is left out is not zero.
 */
export function foldAbsentText(name: string, tensor: FloatTensor, shape: Shape | undefined): FloatTensor {
  const [texts, length, width] = tensor.shape;
  if (shape === undefined || tensor.shape.length !== 3 || width !== shape[1] || length <= shape[0]) return tensor;
  const folded = floatTensor([texts, ...shape]);
  const [whole, kept] = [length * width, shape[0] * width];
  for (let text = 0; text < texts; text++) {
    const numbers = tensor.data.subarray(text * whole, (text + 1) * whole);
    if (numbers.subarray(kept - width).some((x) => x !== 0)) {
      const [given, read] = [formatShape(tensor.shape.slice(1)), formatShape(shape)];
      throw new InputError(`the golden's ${name} of ${given} is not zero behind the pipeline's ${read}`);
    }
    folded.data.set(numbers.subarray(0, kept), text * kept);
  }
  return folded;
}
