/**
 * @file The types that graphs are made of: what operator rules and model code see. It imports neither the graph nor the
 * operator table, so that both can import it.
 */

import type { DType, Shape } from "../core/tensor.js";
import type { OperatorAttributes, OperatorName } from "./operators/attributes.js";
import type { Operands, Results } from "./operators/operands.js";

/** Element type and static shape of a value. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** The result of a node: a tensor that exists when the graph runs. */
export interface Value extends TensorType {
  readonly graph: GraphBuilder;
  readonly id: number;
  /** The node that makes it (its index in `graph.nodes`). */
  readonly producer: number;
  /** Which of the producer's outputs it is. */
  readonly port: number;
  /** Size of one axis; negative axes count from the end. */
  dim(axis: number): number;
}

/** One application of an operator. `index` is its place in the graph's execution order. */
export interface OperatorNode<K extends OperatorName> {
  readonly op: K;
  readonly index: number;
  /** The module that it belongs to, under the checkpoint's name, e.g. `transformer_blocks.3.attn`. */
  readonly scope: string;
  readonly inputs: Operands<K, Value>;
  readonly attributes: OperatorAttributes[K];
  readonly outputs: Results<K, Value>;
}

/** A node of any operator; `op` discriminates. */
export type GraphNode = { [K in OperatorName]: OperatorNode<K> }[OperatorName];

/** A range of nodes whose results are not kept for the backward pass but computed again there. */
export interface CheckpointRegion {
  readonly start: number;
  readonly end: number;
  /** Values inside that are kept all the same. */
  readonly kept: ReadonlySet<Value>;
}

/** A function laid over the values of some names; see `taps.ts`. */
export interface Tap {
  /** A full name, e.g. `mid_block.attentions.0.transformer_blocks.0.attn1.q`, or a pattern of such names. */
  readonly at: string | RegExp;
  /** What the network goes on with in place of `value`: `value` itself where it is only read. */
  readonly replace: (value: Value, name: string) => Value;
}

/** A graph as the code that adds nodes to it sees it; `Graph` is the one implementation. */
export interface GraphBuilder {
  readonly nodes: readonly GraphNode[];
  readonly regions: readonly CheckpointRegion[];
  /** Appends one node after checking its types, and returns its outputs. */
  append<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value[];
  /** Appends a node with a single output. */
  one<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value;
  /** The node that makes `value`. */
  producerOf(value: Value): GraphNode;
  /** The scope of the nodes that are made now. */
  readonly scope: string;
  /** Runs `body` with `scope` as the whole scope of the nodes that it makes. */
  within<T>(scope: string, body: () => T): T;
  /** Runs `body` as a checkpoint: the backward pass computes its nodes again instead of keeping their results. */
  checkpoint<T>(body: () => T): T;
  /** Inside a checkpoint: `value` is small for the work that it took, so it is kept for the backward pass. */
  keep(value: Value): Value;
  /** Offers `value` to taps under `name` in the current scope, and returns what they make of it. */
  tap(name: string, value: Value): Value;
  /** Lays `taps` over what `body` builds; throws a GraphError for one that matches nothing. Inner ones come first. */
  withTaps<T>(taps: readonly Tap[], body: () => T): T;
}
