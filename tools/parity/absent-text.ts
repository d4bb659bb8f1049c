/** @file Goldens of a pipeline without T5 have one row of zeros per T5 token; the pipeline folds these into one row that counts for all. */

import { InputError } from "#softrepa/core/errors.js";
import { type FloatTensor, floatTensor, formatShape, type Shape } from "#softrepa/core/tensor.js";

/**
 * Truncates `tensor` [N, L, width] to the pipeline's `shape` [l, width]. The last remaining row and all removed rows must be
 * zeros. Returns tensors of the pipeline's own shape unchanged.
 *
 * @throws InputError if a removed row is not zero.
 */
export function foldAbsentText(name: string, tensor: FloatTensor, shape: Shape | undefined): FloatTensor {
  const [prompts, length, width] = tensor.shape;
  if (shape === undefined || tensor.shape.length !== 3 || width !== shape[1] || length <= shape[0]) return tensor;
  const folded = floatTensor([prompts, ...shape]);
  const [fullSize, keptSize] = [length * width, shape[0] * width];
  for (let prompt = 0; prompt < prompts; prompt++) {
    const embeds = tensor.data.subarray(prompt * fullSize, (prompt + 1) * fullSize);
    if (embeds.subarray(keptSize - width).some((x) => x !== 0)) {
      const [given, read] = [formatShape(tensor.shape.slice(1)), formatShape(shape)];
      throw new InputError(`the golden's ${name} of ${given} is not zero beyond the pipeline's ${read}`);
    }
    folded.data.set(embeds.subarray(0, keptSize), prompt * keptSize);
  }
  return folded;
}
