/** @file The graph: values with static shapes, made by nodes that are appended in executable order. */

import { type DType, formatShape, type Shape } from "../core/tensor.js";
import type { OperatorAttributes, OperatorName } from "./operators/attributes.js";
import { operators } from "./operators/index.js";
import { GraphError, type TensorType } from "./types.js";

/** One application of an operator. `index` is its place in the graph's execution order. */
export interface OperatorNode<K extends OperatorName> {
  readonly op: K;
  readonly index: number;
  /** Where in the model it was made, e.g. `transformer_blocks.3`; for printing and profiles. */
  readonly scope: string;
  readonly inputs: readonly Value[];
  readonly attributes: OperatorAttributes[K];
  readonly outputs: readonly Value[];
}

/** A node of any operator; `op` discriminates. */
export type GraphNode = { [K in OperatorName]: OperatorNode<K> }[OperatorName];

/** The result of a node: a tensor that exists when the graph runs. */
export class Value implements TensorType {
  constructor(
    readonly graph: Graph,
    readonly id: number,
    readonly dtype: DType,
    readonly shape: Shape,
    /** The node that makes it (its index in `graph.nodes`). */
    readonly producer: number,
    /** Which of the producer's outputs it is. */
    readonly port: number,
  ) {}

  /** Size of one axis; negative axes count from the end. */
  dim(axis: number): number {
    const size = this.shape.at(axis);
    if (size === undefined) throw new GraphError(`axis ${axis} of a value of shape ${formatShape(this.shape)}`);
    return size;
  }
}

/** A range of nodes whose results are not kept for the backward pass but computed again there. */
export interface CheckpointRegion {
  readonly start: number;
  readonly end: number;
  /** Values inside that are kept all the same. */
  readonly kept: ReadonlySet<Value>;
}

/** An append-only list of nodes. Model code calls the functions of `ops.ts`, which append here. */
export class Graph {
  readonly nodes: GraphNode[] = [];
  readonly regions: CheckpointRegion[] = [];
  private valueCount = 0;
  private scope = "";
  /** Values to keep of the checkpoint that is being built; null outside of one. */
  private keeping: Set<Value> | null = null;

  /** With `checkpoints: false`, `checkpoint` only runs its body: the backward pass keeps all results. */
  constructor(private readonly options: { readonly checkpoints: boolean } = { checkpoints: true }) {}

  /** Appends one node after checking its types, and returns its outputs. */
  append<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value[] {
    for (const input of inputs) {
      if (input.graph !== this) throw new GraphError(`${this.where(op)}: an input belongs to another graph`);
    }
    const index = this.nodes.length;
    const outputs = this.infer(op, inputs, attributes).map(
      (type, port) => new Value(this, this.valueCount++, type.dtype, type.shape, index, port),
    );
    // The union of all OperatorNode<K> cannot be proved member by member for a generic K.
    this.nodes.push({ op, index, scope: this.scope, inputs, attributes, outputs } as unknown as GraphNode);
    return outputs;
  }

  /** Appends a node with a single output. */
  one<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value {
    const [value] = this.append(op, inputs, attributes);
    if (value === undefined) throw new GraphError(`${this.where(op)}: has no output`);
    return value;
  }

  /** The node that makes `value`. */
  producerOf(value: Value): GraphNode {
    const node = this.nodes[value.producer];
    if (node === undefined || value.graph !== this) throw new GraphError(`value %${value.id} is not of this graph`);
    return node;
  }

  /** Runs `body` with `name` added to the scope of the nodes it makes. */
  within<T>(name: string, body: () => T): T {
    const outer = this.scope;
    this.scope = outer === "" ? name : `${outer}.${name}`;
    try {
      return body();
    } finally {
      this.scope = outer;
    }
  }

  /** Runs `body` as a checkpoint: the backward pass computes its nodes again instead of keeping their results. */
  checkpoint<T>(body: () => T): T {
    if (!this.options.checkpoints) return body();
    if (this.keeping !== null) throw new GraphError("checkpoints cannot be nested");
    const start = this.nodes.length;
    const kept = new Set<Value>();
    this.keeping = kept;
    try {
      return body();
    } finally {
      this.keeping = null;
      if (this.nodes.length > start) this.regions.push({ start, end: this.nodes.length, kept });
    }
  }

  /** Inside a checkpoint: `value` is small for the work that it took, so it is kept for the backward pass. */
  keep(value: Value): Value {
    this.keeping?.add(value);
    return value;
  }

  private infer<K extends OperatorName>(
    op: K,
    inputs: readonly Value[],
    attributes: OperatorAttributes[K],
  ): readonly TensorType[] {
    try {
      return operators[op].infer(inputs, attributes);
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      const given = inputs.map((input) => `${input.dtype}${formatShape(input.shape)}`).join(", ");
      throw new GraphError(`${this.where(op)}(${given}): ${error.message}`);
    }
  }

  private where(op: OperatorName): string {
    return this.scope === "" ? op : `${this.scope}: ${op}`;
  }
}
