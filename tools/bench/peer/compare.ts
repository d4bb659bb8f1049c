/** @file Whether two sides of a case computed the same. */

import type { FloatTensor } from "#softrepa/core/tensor.js";
import { openSafetensors, readTensor } from "#softrepa/weights/safetensors.js";

export interface Agreement {
  /** Length of the difference by the reference's length, the largest of all results. */
  readonly relativeError: number;
  /** Cosine between gradients (or the only result) and the reference's. */
  readonly cosine: number;
}

export async function compareResults(reference: string, found: string): Promise<Agreement> {
  const [expected, actual] = await Promise.all([openSafetensors(reference), openSafetensors(found)]);
  let relativeError = 0;
  let cosine = 1;
  for (const [name, stored] of expected.tensors) {
    const other = actual.tensors.get(name);
    if (!other) throw new Error(`${found} lacks ${name}`);
    const agreement = compareTensors(await readTensor(stored), await readTensor(other));
    relativeError = Math.max(relativeError, agreement.relativeError);
    cosine = Math.min(cosine, agreement.cosine);
  }
  return { relativeError, cosine };
}

function compareTensors(expected: FloatTensor, actual: FloatTensor): Agreement {
  if (expected.data.length !== actual.data.length) throw new Error("results of different sizes");
  let difference = 0;
  let product = 0;
  let ofExpected = 0;
  let ofActual = 0;
  for (const [index, x] of expected.data.entries()) {
    const y = actual.data[index];
    difference += (x - y) ** 2;
    product += x * y;
    ofExpected += x * x;
    ofActual += y * y;
  }
  return {
    relativeError: Math.sqrt(difference / ofExpected),
    cosine: product / Math.sqrt(ofExpected * ofActual),
  };
}
