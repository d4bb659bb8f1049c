/** @file Weight files for tests: consecutive tensors after a header, without alignment. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type DType, type Shape, sizeOf } from "../../core/tensor.js";
import type { StoredTensor, StoredType } from "../../weights/source.js";
import { tensorOf } from "./nd-array.js";

const hostTypes: Partial<Record<StoredType, DType>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
};

/** A weight in a file, with its values. */
export interface WrittenTensor extends StoredTensor {
  readonly values: Float64Array;
}

/** Writes `tensors` to `file`; a header of `headerBytes` moves them off alignment. */
export async function writeWeightFile<Name extends string>(
  file: string,
  headerBytes: number,
  tensors: Readonly<Record<Name, { dtype: StoredType; shape: Shape; values?: Float64Array }>>,
): Promise<Record<Name, WrittenTensor>> {
  const chunks: Uint8Array[] = [new Uint8Array(headerBytes).fill(0x20)];
  let offset = headerBytes;
  const written: Partial<Record<Name, WrittenTensor>> = {};
  for (const name in tensors) {
    const { dtype, shape, values = quarters(sizeOf(shape), offset) } = tensors[name];
    const hostType = hostTypes[dtype];
    if (hostType === undefined) throw new Error(`weight files for tests do not support ${dtype}`);
    const { data } = tensorOf(hostType, shape, values);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    chunks.push(bytes);
    written[name] = { name, dtype, shape, file, offset, length: bytes.length, values };
    offset += bytes.length;
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, Buffer.concat(chunks));
  return written as Record<Name, WrittenTensor>;
}

/** Multiples of 1/4 from -4 to 4, which are exact in every float type. */
function quarters(count: number, start: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => (((i + start) * 19) % 33) / 4 - 4);
}

/** Reads weights written by `writeWeightFile`, for the interpreter. */
export function readWrittenWeight(stored: StoredTensor): Float64Array {
  return (stored as WrittenTensor).values;
}
