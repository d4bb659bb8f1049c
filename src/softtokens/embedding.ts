/** @file Computes the effective soft tokens of a timestep: projection plus a row of the time table. */

import { at } from "../core/lists.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { gradients } from "../graph/autodiff.js";
import { Graph } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { add, input, reshape } from "../graph/ops.js";
import type { Denoiser, SoftTokenSpec } from "../pipelines/pipeline.js";
import type { Session } from "../runtime/engine.js";
import { requireFit, type SoftTokens, stagesOf } from "./softtokens.js";

/** Gradients with respect to the learned parameters at one timestep. */
export interface SoftTokenGradients {
  readonly tokens: FloatTensor;
  /** [buckets, layers * projected width], nonzero in one row; null without a time table. */
  readonly timeTable: FloatTensor | null;
}

/** Row of the time table for a timestep in 0..trainTimesteps; rows are equal ranges of min(t, trainTimesteps - 1). */
export function bucketOf(timestep: number, buckets: number, trainTimesteps: number): number {
  return Math.floor((Math.min(timestep, trainTimesteps - 1) * buckets) / trainTimesteps);
}

/** effective[l, k] = project(tokens[l, k]) + row_t[l], and its adjoint, which depends only on the cotangent since the map is affine. */
export class SoftTokenEmbedding {
  private constructor(
    private readonly softTokens: SoftTokens,
    private readonly trainTimesteps: number,
    /** Shape [layers, count, projected width] and UNet stages, as needed to build graphs. */
    readonly form: SoftTokenSpec,
    private readonly forward: Session,
    private readonly backward: Session,
  ) {}

  static async open(pipeline: Denoiser, softTokens: SoftTokens): Promise<SoftTokenEmbedding> {
    const { softTokenLayout: layout, engine, scheduler } = pipeline;
    const { layers, count, width } = requireFit(softTokens, layout);
    const shape = [layers, count, layout.projectedWidth];
    const graph = new Graph();
    const tokens = input(graph, "tokens", [layers, count, width]);
    const row = input(graph, "row", [layers * layout.projectedWidth]);
    const projected = width === layout.projectedWidth ? tokens : pipeline.projectSoftTokens(graph, tokens);
    const effective = add(projected, reshape(row, [layers, 1, layout.projectedWidth]));
    const cotangent = input(graph, "cotangent", shape);
    const adjoint = gradients([{ value: effective, cotangent }], [tokens, row]);
    const outputs = { tokens_gradient: at(adjoint, 0), row_gradient: at(adjoint, 1) };
    return new SoftTokenEmbedding(
      softTokens,
      scheduler.trainTimesteps,
      { shape, stages: stagesOf(softTokens, layout) },
      await engine.compile(writeOnnx(graph, { effective }, engine.target)),
      await engine.compile(writeOnnx(graph, outputs, engine.target)),
    );
  }

  /** Effective soft tokens [layers, count, projected width] at a timestep. */
  async at(timestep: number): Promise<FloatTensor> {
    const { effective } = await this.forward.run({ tokens: this.softTokens.tokens, row: this.rowAt(timestep) });
    return effective as FloatTensor;
  }

  /** Gradients from d loss / d effective at the same timestep. */
  async gradients(timestep: number, cotangent: FloatTensor): Promise<SoftTokenGradients> {
    const { tokens_gradient: tokens, row_gradient: row } = await this.backward.run({ cotangent });
    const { timeTable } = this.softTokens;
    if (timeTable === null) return { tokens: tokens as FloatTensor, timeTable: null };
    const table = floatTensor(timeTable.shape);
    table.data.set((row as FloatTensor).data, this.rowStart(timestep, timeTable));
    return { tokens: tokens as FloatTensor, timeTable: table };
  }

  async release(): Promise<void> {
    await this.forward.release();
    await this.backward.release();
  }

  private rowAt(timestep: number): FloatTensor {
    const { timeTable } = this.softTokens;
    const length = at(this.form.shape, 0) * at(this.form.shape, 2);
    if (timeTable === null) return floatTensor([length]);
    const start = this.rowStart(timestep, timeTable);
    return floatTensor([length], timeTable.data.slice(start, start + length));
  }

  private rowStart(timestep: number, { shape }: FloatTensor): number {
    return bucketOf(timestep, at(shape, 0), this.trainTimesteps) * at(shape, 1);
  }
}
