/** @file What each operator must say about itself: types, gradient, ONNX nodes. */

import type { OperatorNode, TensorType, Value } from "../ir.js";
import type { Emitter } from "../onnx/emitter.js";
import type { Target } from "../onnx/model.js";
import type { OperatorAttributes, OperatorName } from "./attributes.js";
import type { Operands, Results } from "./operands.js";

/** What a VJP may look at. Only an operator's first output is differentiable; others are by-products for its VJP. */
export interface VjpContext<K extends OperatorName> {
  readonly inputs: Operands<K, Value>;
  readonly outputs: Results<K, Value>;
  readonly attributes: OperatorAttributes[K];
  /** Cotangent of the first output, of its shape. */
  readonly dy: Value;
  /** Which inputs a gradient is wanted for; frozen weights are false. */
  readonly needed: Operands<K, boolean>;
}

/**
 * Vector-Jacobian product: builds nodes and returns one cotangent an input, null where none is needed.
 * Results may be broader than the input (broadcasting); the walker sums them down.
 */
export type Vjp<K extends OperatorName> = (context: VjpContext<K>) => readonly (Value | null)[];

export interface OperatorRule<K extends OperatorName> {
  /** Output types, or a GraphError that says what does not fit. */
  readonly infer: (inputs: Operands<K, TensorType>, attributes: OperatorAttributes[K]) => Results<K, TensorType>;
  /** The gradient; "leaf" has no inputs, "not differentiable" passes none on. */
  readonly vjp: Vjp<K> | "leaf" | "not differentiable";
  /** The same in other operators, where that suits the target better than `onnx`; null where it does not. */
  readonly lower?: (inputs: Operands<K, Value>, attributes: OperatorAttributes[K], target: Target) => Value | null;
  /** Emits ONNX nodes and returns the names of the outputs; a by-product that nothing reads may be left out. */
  readonly onnx: (emitter: Emitter, node: OperatorNode<K>, inputs: Operands<K, string>) => readonly string[];
}

/** A table of rules for some operators; the union of all tables must cover every name. */
export type OperatorRules<Names extends OperatorName> = { readonly [K in Names]: OperatorRule<K> };
