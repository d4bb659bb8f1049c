/** @file What a checkpoint offers: named tensors that lie somewhere in files, not yet read. */

import type { Shape } from "../core/tensor.js";

/** Element types as the safetensors format spells them. */
export const storedTypes = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"] as const;
export type StoredType = (typeof storedTypes)[number];

/** One tensor as it lies in a file; data is little-endian and row-major. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredType;
  readonly shape: Shape;
  /** Absolute path with symbolic links resolved (onnxruntime refuses links that leave their folder). */
  readonly file: string;
  /** Byte offset of the first element from the start of the file. */
  readonly offset: number;
  /** Length in bytes. */
  readonly length: number;
}

/** A set of named tensors: one safetensors file, or all shards of one. */
export interface WeightSource {
  /** Where it came from, for messages: a file or folder as the user named it. */
  readonly origin: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The `__metadata__` strings of the header (of the first shard). */
  readonly metadata: Readonly<Record<string, string>>;
}
