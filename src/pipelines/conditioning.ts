/** @file Picking and joining the texts of a conditioning. */

import { concatRows, rows } from "../core/tensor.js";
import type { Conditioning } from "./pipeline.js";

/** The texts of all parts in order. */
export function joinConditioning(parts: readonly Conditioning[]): Conditioning {
  const names = Object.keys(parts[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, concatRows(parts.map((part) => part[name]))]));
}

/** Text number `index` alone, sharing memory. */
export function textOf(conditioning: Conditioning, index: number): Conditioning {
  return Object.fromEntries(
    Object.entries(conditioning).map(([name, tensor]) => [name, rows(tensor, index, index + 1)]),
  );
}

/** The texts at `indices`, which may repeat. */
export function pickTexts(conditioning: Conditioning, indices: readonly number[]): Conditioning {
  return joinConditioning(indices.map((index) => textOf(conditioning, index)));
}
