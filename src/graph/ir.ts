/**
 * @file The types of the graph IR, which operator rules and model code use. This file imports neither the graph nor the
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
  /** Index in `graph.nodes` of the node that computes it. */
  readonly producer: number;
  /** Index among the producer's outputs. */
  readonly port: number;
  /** Size of one axis; negative axes count from the end. */
  dim(axis: number): number;
}

/** One application of an operator. `index` is its place in the graph's execution order. */
export interface OperatorNode<K extends OperatorName> {
  readonly op: K;
  readonly index: number;
  /** Module path as in the checkpoint, e.g. `transformer_blocks.3.attn`. */
  readonly scope: string;
  readonly inputs: Operands<K, Value>;
  readonly attributes: OperatorAttributes[K];
  readonly outputs: Results<K, Value>;
}

/** A node of any operator; `op` discriminates. */
export type GraphNode = { [K in OperatorName]: OperatorNode<K> }[OperatorName];

/** Activation checkpointing: a range of nodes whose results the backward pass recomputes instead of keeping. */
export interface CheckpointRegion {
  readonly start: number;
  readonly end: number;
  /** Values inside the region that are kept. */
  readonly kept: ReadonlySet<Value>;
}

/** Reads or replaces the values of some names; see `taps.ts`. */
export interface Tap {
  /** A full name, e.g. `mid_block.attentions.0.transformer_blocks.0.attn1.q`, or a pattern of such names. */
  readonly at: string | RegExp;
  /** Returns the value that the network uses instead of `value`; return `value` itself to only read it. */
  readonly replace: (value: Value, name: string) => Value;
}

/** The interface for code that adds nodes to a graph; `Graph` implements it. */
export interface GraphBuilder {
  readonly nodes: readonly GraphNode[];
  readonly regions: readonly CheckpointRegion[];
  /** Appends one node after checking its types, and returns its outputs. */
  append<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value[];
  /** Appends a node with a single output. */
  appendSingle<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value;
  /** The node that computes `value`. */
  producerOf(value: Value): GraphNode;
  /** The scope given to new nodes. */
  readonly scope: string;
  /** Runs `body` and gives `scope` to its nodes, in place of the current scope. */
  within<T>(scope: string, body: () => T): T;
  /** Runs `body` as an activation checkpoint: the backward pass recomputes its nodes instead of keeping their results. */
  checkpoint<T>(body: () => T): T;
  /** Inside a checkpoint: keeps `value` for the backward pass, because it is small but expensive to recompute. */
  keep(value: Value): Value;
  /** Passes `value` through the taps registered for `name` in the current scope, and returns the result. */
  tap(name: string, value: Value): Value;
  /** Applies `taps` to everything that `body` builds, inner taps first; throws a GraphError for a tap that matches nothing. */
  withTaps<T>(taps: readonly Tap[], body: () => T): T;
}
