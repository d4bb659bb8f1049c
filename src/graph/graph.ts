/** @file The graph: values with static shapes, made by nodes that are appended in executable order. */

import { type DType, formatShape, type Shape } from "../core/tensor.js";
import { GraphError } from "./error.js";
import type { CheckpointRegion, GraphBuilder, GraphNode, Tap, TensorType, Value } from "./ir.js";
import { joinNames } from "./names.js";
import type { OperatorAttributes, OperatorName } from "./operators/attributes.js";
import { operators } from "./operators/index.js";
import { operandsOf } from "./operators/operands.js";
import { LaidTaps } from "./taps.js";

class NodeOutput implements Value {
  constructor(
    readonly graph: GraphBuilder,
    readonly id: number,
    readonly dtype: DType,
    readonly shape: Shape,
    readonly producer: number,
    readonly port: number,
  ) {}

  dim(axis: number): number {
    const size = this.shape.at(axis);
    if (size === undefined) throw new GraphError(`axis ${axis} of a value of shape ${formatShape(this.shape)}`);
    return size;
  }
}

/** An append-only list of nodes. Model code calls the functions of `ops.ts`, which append here. */
export class Graph implements GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly regions: CheckpointRegion[] = [];
  private valueCount = 0;
  private currentScope = "";
  /** The innermost last. */
  private readonly taps: LaidTaps[] = [];
  /** Values to keep of the checkpoint that is being built; null outside of one. */
  private keeping: Set<Value> | null = null;

  /** With `checkpoints: false`, `checkpoint` only runs its body: the backward pass keeps all results. */
  constructor(private readonly options: { readonly checkpoints: boolean } = { checkpoints: true }) {}

  append<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value[] {
    for (const input of inputs) {
      if (input.graph !== this) throw new GraphError(`${this.where(op)}: an input belongs to another graph`);
    }
    const index = this.nodes.length;
    const outputs = this.infer(op, inputs, attributes).map(
      (type, port) => new NodeOutput(this, this.valueCount++, type.dtype, type.shape, index, port),
    );
    // The union of all OperatorNode<K> cannot be proved member by member for a generic K.
    this.nodes.push({ op, index, scope: this.scope, inputs, attributes, outputs } as unknown as GraphNode);
    return outputs;
  }

  one<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value {
    const [value] = this.append(op, inputs, attributes);
    if (value === undefined) throw new GraphError(`${this.where(op)}: has no output`);
    return value;
  }

  producerOf(value: Value): GraphNode {
    const node = this.nodes[value.producer];
    if (node === undefined || value.graph !== this) throw new GraphError(`value %${value.id} is not of this graph`);
    return node;
  }

  get scope(): string {
    return this.currentScope;
  }

  within<T>(scope: string, body: () => T): T {
    const outer = this.currentScope;
    this.currentScope = scope;
    try {
      return body();
    } finally {
      this.currentScope = outer;
    }
  }

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

  keep(value: Value): Value {
    this.keeping?.add(value);
    return value;
  }

  tap(name: string, value: Value): Value {
    const fullName = joinNames(this.scope, name);
    return this.taps.reduceRight((current, laid) => laid.apply(fullName, current), value);
  }

  withTaps<T>(taps: readonly Tap[], body: () => T): T {
    const laid = new LaidTaps(taps);
    this.taps.push(laid);
    try {
      const result = body();
      laid.requireAllMatched();
      return result;
    } finally {
      this.taps.pop();
    }
  }

  private infer<K extends OperatorName>(
    op: K,
    inputs: readonly Value[],
    attributes: OperatorAttributes[K],
  ): readonly TensorType[] {
    try {
      return operators[op].infer(operandsOf(op, inputs), attributes);
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
