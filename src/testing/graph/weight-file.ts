/** @file A weight file for tests: tensors one after another behind a header, at whatever offsets come out. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type DType, type Shape, sizeOf } from "../../core/tensor.js";
import type { StoredTensor, StoredType } from "../../weights/source.js";
import { tensorOf } from "./numbers.js";

const hostTypes: Partial<Record<StoredType, DType>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
};

/** A weight that is written to a file, with its numbers. */
export interface WrittenTensor extends StoredTensor {
  readonly numbers: Float64Array;
}

/** Writes `tensors` to `file`; a header of `headerBytes` moves them off alignment. */
export async function writeWeightFile<Name extends string>(
  file: string,
  headerBytes: number,
  tensors: Readonly<Record<Name, { dtype: StoredType; shape: Shape; numbers?: Float64Array }>>,
): Promise<Record<Name, WrittenTensor>> {
  const chunks: Uint8Array[] = [new Uint8Array(headerBytes).fill(0x20)];
  let offset = headerBytes;
  const written: Partial<Record<Name, WrittenTensor>> = {};
  for (const name in tensors) {
    const { dtype, shape, numbers = quarters(sizeOf(shape), offset) } = tensors[name];
    const hostType = hostTypes[dtype];
    if (hostType === undefined) throw new Error(`tests write no ${dtype}`);
    const { data } = tensorOf(hostType, shape, numbers);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    chunks.push(bytes);
    written[name] = { name, dtype, shape, file, offset, length: bytes.length, numbers };
    offset += bytes.length;
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, Buffer.concat(chunks));
  return written as Record<Name, WrittenTensor>;
}

/** Multiples of 1/4 from -4 to 4, which every float type holds. */
function quarters(count: number, start: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => (((i + start) * 19) % 33) / 4 - 4);
}

/** The interpreter's reader of weights written by `writeWeightFile`. */
export function readWritten(stored: StoredTensor): Float64Array {
  return (stored as WrittenTensor).numbers;
}
