/** @file The type of the interpreter's operator table. */

import type { OperatorAttributes, OperatorName } from "../../graph/operators/attributes.js";
import type { StoredTensor } from "../../weights/source.js";
import type { Numbers } from "./numbers.js";

/** Where leaves get their numbers from. */
export interface LeafReader {
  readonly input: (name: string) => ArrayLike<number>;
  readonly parameter: (stored: StoredTensor) => ArrayLike<number>;
}

/** Computes every output of one operator from its mathematical definition, shapes included. */
export type Evaluator<K extends OperatorName> = (
  inputs: readonly Numbers[],
  attributes: OperatorAttributes[K],
  leaves: LeafReader,
) => readonly Numbers[];

/** Evaluators of some operators; the union of all tables must cover every name. */
export type Evaluators<Names extends OperatorName> = { readonly [K in Names]: Evaluator<K> };
