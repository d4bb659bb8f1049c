/** @file A network compiled for a fixed number of images, and lists of any length run through it. */

import { throwIfAborted } from "../../core/errors.js";
import { concatRows, type FloatTensor, intTensor, type Shape, type Tensor } from "../../core/tensor.js";
import { Graph } from "../../graph/graph.js";
import type { Value } from "../../graph/ir.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import { input } from "../../graph/ops.js";
import { paddedBatches } from "../../pipelines/padded-batches.js";
import type { Engine, Session } from "../../runtime/engine.js";

/** What one item feeds: tensors whose first axis has size 1. */
export type ItemFeeds = Readonly<Record<string, Tensor>>;

export interface RunHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A graph of inputs with the shapes and types of `item`, `batch` times as long, with one output. */
export class BatchedGraph {
  private constructor(
    private readonly session: Session,
    private readonly batch: number,
  ) {}

  static async open(
    engine: Engine,
    item: Readonly<Record<string, { readonly shape: Shape; readonly dtype: Tensor["dtype"] }>>,
    batch: number,
    build: (graph: Graph, inputs: (name: string) => Value) => Value,
  ): Promise<BatchedGraph> {
    const graph = new Graph();
    const inputs = new Map(
      Object.entries(item).map(([name, { shape, dtype }]) => [
        name,
        input(graph, name, [batch, ...shape.slice(1)], dtype),
      ]),
    );
    const output = build(graph, (name) => inputs.get(name) as Value);
    return new BatchedGraph(await engine.compile(writeOnnx(graph, { output }, engine.target)), batch);
  }

  /** The output's row of each item, in order; items are made as they are needed. */
  async run<T>(
    items: readonly T[],
    feedsOf: (item: T) => Promise<ItemFeeds>,
    { signal, onProgress }: RunHooks = {},
  ): Promise<Float32Array[]> {
    const rows: Float32Array[] = [];
    for (const { batch, real } of paddedBatches(items, this.batch)) {
      throwIfAborted(signal);
      const made: ItemFeeds[] = [];
      for (const item of batch.slice(0, real)) made.push(await feedsOf(item));
      while (made.length < this.batch) made.push(made[real - 1]);
      const { output } = await this.session.run(joined(made));
      const { data } = output as FloatTensor;
      const width = data.length / this.batch;
      for (let i = 0; i < real; i++) rows.push(data.slice(i * width, (i + 1) * width));
      onProgress?.(rows.length, items.length);
    }
    return rows;
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

function joined(items: readonly ItemFeeds[]): Record<string, Tensor> {
  return Object.fromEntries(
    Object.keys(items[0]).map((name) => {
      const tensors = items.map((item) => item[name]);
      const first = tensors[0];
      if (first.dtype === "float32") return [name, concatRows(tensors as FloatTensor[])];
      const ids = tensors.flatMap(({ data }) => Array.from(data as BigInt64Array, Number));
      return [name, intTensor([items.length, ...first.shape.slice(1)], ids)];
    }),
  );
}
