/** @file The type of the interpreter's operator table. */

import type { OperatorAttributes, OperatorName } from "../../graph/operators/attributes.js";
import type { StoredTensor } from "../../weights/source.js";
import type { NdArray } from "./nd-array.js";

/** Reads the values of leaves. */
export interface LeafReader {
  readonly input: (name: string) => ArrayLike<number>;
  readonly parameter: (stored: StoredTensor) => ArrayLike<number>;
}

/** Computes all outputs of an operator and their shapes from its mathematical definition. */
export type Evaluator<K extends OperatorName> = (
  inputs: readonly NdArray[],
  attributes: OperatorAttributes[K],
  leaves: LeafReader,
) => readonly NdArray[];

/** Evaluators of some operators; the union of all tables must cover every name. */
export type Evaluators<Names extends OperatorName> = { readonly [K in Names]: Evaluator<K> };
