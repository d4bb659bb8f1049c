/** @file The graph: nodes in execution order, whose outputs are values with static shapes. */

import { type DType, formatShape, type Shape } from "../core/tensor.js";
import { GraphError } from "./error.js";
import type { CheckpointRegion, GraphBuilder, GraphNode, Tap, TensorType, Value } from "./ir.js";
import { joinNames } from "./names.js";
import type { OperatorAttributes, OperatorName } from "./operators/attributes.js";
import { operators } from "./operators/index.js";
import { operandsOf } from "./operators/operands.js";
import { TapLayer } from "./taps.js";

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

/** An append-only list of nodes. Model code appends through the functions of `ops.ts`. */
export class Graph implements GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly regions: CheckpointRegion[] = [];
  private valueCount = 0;
  private currentScope = "";
  /** Innermost last. */
  private readonly tapLayers: TapLayer[] = [];
  /** Kept values of the checkpoint region that is being built; null outside of a region. */
  private keptValues: Set<Value> | null = null;

  /** With `checkpoints: false`, `checkpoint` only runs its body and the backward pass keeps all results. */
  constructor(private readonly options: { readonly checkpoints: boolean } = { checkpoints: true }) {}

  append<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value[] {
    for (const input of inputs) {
      if (input.graph !== this) throw new GraphError(`${this.where(op)}: an input belongs to another graph`);
    }
    const index = this.nodes.length;
    const outputs = this.infer(op, inputs, attributes).map(
      (type, port) => new NodeOutput(this, this.valueCount++, type.dtype, type.shape, index, port),
    );
    // The compiler cannot check a generic K against the union of all OperatorNode<K>.
    this.nodes.push({ op, index, scope: this.scope, inputs, attributes, outputs } as unknown as GraphNode);
    return outputs;
  }

  appendSingle<K extends OperatorName>(op: K, inputs: readonly Value[], attributes: OperatorAttributes[K]): Value {
    const [value] = this.append(op, inputs, attributes);
    if (value === undefined) throw new GraphError(`${this.where(op)}: has no output`);
    return value;
  }

  producerOf(value: Value): GraphNode {
    const node = this.nodes[value.producer];
    if (node === undefined || value.graph !== this) throw new GraphError(`value %${value.id} belongs to another graph`);
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
    if (this.keptValues !== null) throw new GraphError("checkpoints cannot be nested");
    const start = this.nodes.length;
    const kept = new Set<Value>();
    this.keptValues = kept;
    try {
      return body();
    } finally {
      this.keptValues = null;
      if (this.nodes.length > start) this.regions.push({ start, end: this.nodes.length, kept });
    }
  }

  keep(value: Value): Value {
    this.keptValues?.add(value);
    return value;
  }

  tap(name: string, value: Value): Value {
    const fullName = joinNames(this.scope, name);
    return this.tapLayers.reduceRight((current, layer) => layer.apply(fullName, current), value);
  }

  withTaps<T>(taps: readonly Tap[], body: () => T): T {
    const layer = new TapLayer(taps);
    this.tapLayers.push(layer);
    try {
      const result = body();
      layer.requireAllMatched();
      return result;
    } finally {
      this.tapLayers.pop();
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
