/** @file What a checkpoint offers: named tensors that lie somewhere in files, not yet read. */

import { unreachable } from "../core/errors.js";
import { at } from "../core/lists.js";
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

/**
 * A tensor that no file holds as it is read: made of stored ones where it is used, so that they need not be copied.
 * An original-layout checkpoint has a few of them among hundreds that are only named otherwise.
 */
export type ArrangedTensor =
  /** The rows of all parts, one after another. */
  | { readonly kind: "joined"; readonly parts: readonly StoredTensor[] }
  | { readonly kind: "transposed"; readonly matrix: StoredTensor }
  /** [size, size], for a projection that is left out where it changes nothing. */
  | { readonly kind: "identity"; readonly size: number };

/** A set of named tensors: one safetensors file, or all shards of one. */
export interface WeightSource {
  /** Where it came from, for messages: a file or folder as the user named it. */
  readonly origin: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Tensors of other names that are made of stored ones. */
  readonly arranged?: ReadonlyMap<string, ArrangedTensor>;
  /** The `__metadata__` strings of the header (of the first shard). */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The shape of a tensor of `source`, stored or arranged; undefined where there is none of that name. */
export function shapeOf(source: WeightSource, name: string): Shape | undefined {
  const arranged = source.arranged?.get(name);
  return arranged === undefined ? source.tensors.get(name)?.shape : arrangedShape(arranged);
}

function arrangedShape(tensor: ArrangedTensor): Shape {
  switch (tensor.kind) {
    case "joined": {
      const rows = tensor.parts.reduce((sum, { shape }) => sum + at(shape, 0), 0);
      return [rows, ...at(tensor.parts, 0).shape.slice(1)];
    }
    case "transposed":
      return tensor.matrix.shape.toReversed();
    case "identity":
      return [tensor.size, tensor.size];
    default:
      return unreachable(tensor);
  }
}

/** Rows start..end of a stored tensor, which lie together in its file. */
export function storedRows(stored: StoredTensor, start: number, end: number): StoredTensor {
  const [count = 0, ...rest] = stored.shape;
  const row = stored.length / count;
  const name = `${stored.name}[${start}:${end}]`;
  return {
    ...stored,
    name,
    shape: [end - start, ...rest],
    offset: stored.offset + start * row,
    length: (end - start) * row,
  };
}
