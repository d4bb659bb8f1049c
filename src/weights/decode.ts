/**
 * @file Decodes stored little-endian values to float32. The host is little-endian, as on all platforms of Node and onnxruntime.
 */

import { bfloat16ToFloat32, float16ToFloat32 } from "./half.js";
import type { StoredType } from "./source.js";

/** Bytes of one element of each stored type. */
export const storedSize = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const satisfies Record<StoredType, number>;

type Decoder = (buffer: ArrayBuffer) => Float32Array;

/** F32 is a view of the same memory; the others are new arrays. Integers beyond 2^24 and doubles are rounded. */
const decoders: Record<StoredType, Decoder> = {
  F64: (buffer) => Float32Array.from(new Float64Array(buffer)),
  F32: (buffer) => new Float32Array(buffer),
  F16: (buffer) => float16ToFloat32(new Uint16Array(buffer)),
  BF16: (buffer) => bfloat16ToFloat32(new Uint16Array(buffer)),
  I64: (buffer) => Float32Array.from(new BigInt64Array(buffer), Number),
  I32: (buffer) => Float32Array.from(new Int32Array(buffer)),
  I16: (buffer) => Float32Array.from(new Int16Array(buffer)),
  I8: (buffer) => Float32Array.from(new Int8Array(buffer)),
  U8: (buffer) => Float32Array.from(new Uint8Array(buffer)),
  BOOL: (buffer) => Float32Array.from(new Uint8Array(buffer), (byte) => (byte === 0 ? 0 : 1)),
};

/** Decodes `bytes`, which must fill their buffer. */
export function decode(dtype: StoredType, bytes: Uint8Array<ArrayBuffer>): Float32Array {
  if (bytes.byteOffset !== 0 || bytes.byteLength !== bytes.buffer.byteLength) {
    throw new RangeError("decode() needs bytes that fill their buffer");
  }
  return decoders[dtype](bytes.buffer);
}
