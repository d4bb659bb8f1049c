/** @file The tensors of a checkpoint: names, types and locations in files, without their data. */

import { unreachable } from "../core/errors.js";
import { at } from "../core/lists.js";
import type { Shape } from "../core/tensor.js";

/** Element types as the safetensors format spells them. */
export const storedTypes = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"] as const;
export type StoredType = (typeof storedTypes)[number];

/** Location of one tensor in a file; its data is little-endian and row-major. */
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
 * A tensor composed of stored ones inside the graph, so that they need not be copied. Original-layout checkpoints have a few of
 * these; their other tensors only have other names.
 */
export type ArrangedTensor =
  /** The rows of all parts, concatenated. */
  | { readonly kind: "joined"; readonly parts: readonly StoredTensor[] }
  | { readonly kind: "transposed"; readonly matrix: StoredTensor }
  /** [size, size], for a projection that checkpoints omit because it is the identity. */
  | { readonly kind: "identity"; readonly size: number };

/** A set of named tensors: one weight file, or all shards of one. */
export interface WeightSource {
  /** The file or folder that the user gave, for messages. */
  readonly origin: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Further tensors, composed of stored ones. */
  readonly arranged?: ReadonlyMap<string, ArrangedTensor>;
  /** The `__metadata__` strings of the header (of the first shard). */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The shape of a tensor of `source`, stored or arranged; undefined if there is none of that name. */
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

/** Rows start..end of a stored tensor, which are contiguous in its file. */
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
