/** @file Compares the results of a case with the reference. */

import type { FloatTensor } from "#softrepa/core/tensor.js";
import { openSafetensors, readTensor } from "#softrepa/weights/safetensors.js";

export interface Agreement {
  /** L2 norm of the difference relative to the reference's, the maximum over all results. */
  readonly relativeError: number;
  /** Cosine similarity with the reference, the minimum over all results. */
  readonly cosine: number;
}

export async function compareResults(reference: string, found: string): Promise<Agreement> {
  const [expected, actual] = await Promise.all([openSafetensors(reference), openSafetensors(found)]);
  let relativeError = 0;
  let cosine = 1;
  for (const [name, stored] of expected.tensors) {
    const other = actual.tensors.get(name);
    if (!other) throw new Error(`${found} has no tensor ${name}`);
    const agreement = compareTensors(await readTensor(stored), await readTensor(other));
    relativeError = Math.max(relativeError, agreement.relativeError);
    cosine = Math.min(cosine, agreement.cosine);
  }
  return { relativeError, cosine };
}

function compareTensors(expected: FloatTensor, actual: FloatTensor): Agreement {
  if (expected.data.length !== actual.data.length) throw new Error("the results have different sizes");
  let difference = 0;
  let product = 0;
  let expectedSquares = 0;
  let actualSquares = 0;
  for (const [index, x] of expected.data.entries()) {
    const y = actual.data[index];
    difference += (x - y) ** 2;
    product += x * y;
    expectedSquares += x * x;
    actualSquares += y * y;
  }
  return {
    relativeError: Math.sqrt(difference / expectedSquares),
    cosine: product / Math.sqrt(expectedSquares * actualSquares),
  };
}
