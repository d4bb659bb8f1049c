/** @file Translates key names and layouts of other checkpoints to those of the model code, in this one place. */

import { InputError, unreachable } from "../core/errors.js";
import { zip } from "../core/lists.js";
import { formatShape } from "../core/tensor.js";
import { type ArrangedTensor, type StoredTensor, storedRows, type WeightSource } from "../weights/source.js";

/** Replaces the part of a key that a pattern matched, as in String.replace: `$1` is its first group. */
type Replacement = string | ((match: string, ...groups: string[]) => string);

/** A change of layout, applied without reading the data. */
type Rearrangement =
  /** Splits its rows into equal parts, one per name. */
  | { readonly kind: "split"; readonly to: readonly string[] }
  /** Swaps the two halves of its rows. */
  | { readonly kind: "swap"; readonly to: string }
  | { readonly kind: "transpose"; readonly to: string }
  /** Drops the trailing axes of size 1: a 1x1 convolution kernel is a matrix. */
  | { readonly kind: "matrix"; readonly to: string };

/** Rules for keys; all matching ones are applied in order. A tensor is rearranged at most once, and may be renamed afterwards. */
export type Dialect = readonly (readonly [pattern: RegExp, target: Replacement | Rearrangement])[];

export const split = (...to: readonly string[]): Rearrangement => ({ kind: "split", to });
export const swap = (to: string): Rearrangement => ({ kind: "swap", to });
export const transposed = (to: string): Rearrangement => ({ kind: "transpose", to });
export const matrix = (to: string): Rearrangement => ({ kind: "matrix", to });

/** A tensor while the rules are applied. */
interface Piece {
  readonly name: string;
  readonly stored: StoredTensor;
  /** Set if the stored data must be rearranged. */
  readonly arranged?: ArrangedTensor;
}

/** Translates the keys of `source`. A key whose new name is taken keeps its old name and is reported as unused. */
export function translateKeys(source: WeightSource, dialect: Dialect): WeightSource {
  const tensors = new Map<string, StoredTensor>();
  const arranged = new Map(source.arranged);
  for (const [name, stored] of source.tensors) {
    const whole: readonly Piece[] = [{ name, stored }];
    const pieces = dialect.reduce((some, rule) => some.flatMap((piece) => apply(source.origin, rule, piece)), whole);
    const taken = pieces.some(
      ({ name: other }) => other !== name && (source.tensors.has(other) || tensors.has(other) || arranged.has(other)),
    );
    for (const piece of taken ? whole : pieces) {
      if (piece.arranged === undefined) tensors.set(piece.name, piece.stored);
      else arranged.set(piece.name, piece.arranged);
    }
  }
  return { ...source, tensors, arranged };
}

/** Applies one rule to a tensor. */
function apply(origin: string, [pattern, target]: Dialect[number], piece: Piece): Piece | readonly Piece[] {
  const { name, stored } = piece;
  if (!pattern.test(name)) return piece;
  // String.replace accepts both forms, but its types do not accept the union.
  if (typeof target === "string") return { ...piece, name: name.replace(pattern, target) };
  if (typeof target === "function") return { ...piece, name: name.replace(pattern, target) };
  const unfit = (wanted: string) =>
    new InputError(`${origin}: ${stored.name} has shape ${formatShape(stored.shape)}, which is not ${wanted}`);
  switch (target.kind) {
    case "split": {
      const parts = rowParts(stored, target.to.length);
      if (parts === null) throw unfit(`${target.to.length} equal parts of rows`);
      return zip(parts, target.to).map(([part, to]) => ({ name: name.replace(pattern, to), stored: part }));
    }
    case "swap": {
      const parts = rowParts(stored, 2);
      if (parts === null) throw unfit("two halves of rows");
      const swapped = { kind: "joined", parts: parts.toReversed() } as const;
      return { name: name.replace(pattern, target.to), stored, arranged: swapped };
    }
    case "transpose":
      if (stored.shape.length !== 2) throw unfit("a matrix");
      return {
        name: name.replace(pattern, target.to),
        stored,
        arranged: { kind: "transposed", matrix: stored },
      };
    case "matrix": {
      const [rows, columns, ...rest] = stored.shape;
      if (rows === undefined || columns === undefined || rest.some((size) => size !== 1)) throw unfit("a matrix");
      return { name: name.replace(pattern, target.to), stored: { ...stored, shape: [rows, columns] } };
    }
    default:
      return unreachable(target);
  }
}

/** Splits the rows of a tensor into equal parts; null if that is not possible. */
function rowParts(stored: StoredTensor, count: number): StoredTensor[] | null {
  const size = (stored.shape[0] ?? 0) / count;
  if (size === 0 || !Number.isInteger(size)) return null;
  return Array.from({ length: count }, (_, part) => storedRows(stored, part * size, (part + 1) * size));
}
