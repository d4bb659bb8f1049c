/** @file The rule of an operator: output types, gradient, ONNX nodes. */

import type { OperatorNode, TensorType, Value } from "../ir.js";
import type { Emitter } from "../onnx/emitter.js";
import type { Target } from "../onnx/model.js";
import type { OperatorAttributes, OperatorName } from "./attributes.js";
import type { Operands, Results } from "./operands.js";

/** The inputs of a VJP. Only an operator's first output is differentiable; others are by-products for its VJP. */
export interface VjpContext<K extends OperatorName> {
  readonly inputs: Operands<K, Value>;
  readonly outputs: Results<K, Value>;
  readonly attributes: OperatorAttributes[K];
  /** Cotangent of the first output, in its shape. */
  readonly dy: Value;
  /** Which inputs need a gradient; false for frozen weights. */
  readonly needed: Operands<K, boolean>;
}

/**
 * Vector-Jacobian product: builds nodes and returns one cotangent per input, null where none is needed.
 * A cotangent may have the broadcast shape of its input; the walker sums it over the broadcast axes.
 */
export type Vjp<K extends OperatorName> = (context: VjpContext<K>) => readonly (Value | null)[];

export interface OperatorRule<K extends OperatorName> {
  /** Returns the output types; throws a GraphError if the inputs do not fit. */
  readonly infer: (inputs: Operands<K, TensorType>, attributes: OperatorAttributes[K]) => Results<K, TensorType>;
  /** The gradient; "leaf" operators have no inputs, "not differentiable" ones stop gradients. */
  readonly vjp: Vjp<K> | "leaf" | "not differentiable";
  /** Rewrites the node in other operators if that is faster on the target than `onnx`; otherwise returns null. */
  readonly lower?: (inputs: Operands<K, Value>, attributes: OperatorAttributes[K], target: Target) => Value | null;
  /** Emits ONNX nodes and returns the names of the outputs; unused by-products may be omitted. */
  readonly onnx: (emitter: Emitter, node: OperatorNode<K>, inputs: Operands<K, string>) => readonly string[];
}

/** A table of rules for some operators; the union of all tables must cover every name. */
export type OperatorRules<Names extends OperatorName> = { readonly [K in Names]: OperatorRule<K> };
