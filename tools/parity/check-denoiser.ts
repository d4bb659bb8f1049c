/** @file Goldens of the denoiser, with and without soft tokens. */

import { join } from "node:path";
import { type FloatTensor, floatTensor, rows } from "#softrepa/core/tensor.js";
import { Graph } from "#softrepa/graph/graph.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { input } from "#softrepa/graph/ops.js";
import { conditioningAt } from "#softrepa/pipelines/conditioning.js";
import { softTokenFeed, softTokenInput } from "#softrepa/pipelines/inputs.js";
import type { Conditioning, Denoiser } from "#softrepa/pipelines/pipeline.js";
import { SoftTokenEmbedding } from "#softrepa/softtokens/embedding.js";
import type { SoftTokens } from "#softrepa/softtokens/softtokens.js";
import { foldAbsentText } from "./absent-text.js";
import { type Comparison, compare, limits } from "./compare.js";
import { GoldenFile } from "./golden-file.js";
import { type Subject, softTokensOf } from "./subject.js";

/** Runs the samples of a golden one at a time, because a run has only one timestep. */
export async function* checkDenoiser(subject: Subject, golden: string): AsyncGenerator<Comparison> {
  const { pipeline, folder } = subject;
  const file = await GoldenFile.open(join(folder, golden));
  const tokens = await softTokensOf(subject, golden, file, { tokens: "tokens", table: "t_tokens" });
  // SDXL's time_ids are an input here, although the denoiser can derive them from the sample.
  const names = [...Object.keys(pipeline.conditioningShapes), "time_ids"];
  for (const prefix of ["", "wide."]) {
    for (const [output, softTokens] of [
      [`${prefix}output_base`, null],
      [`${prefix}output`, tokens],
    ] as const) {
      if (!file.has(output)) continue;
      const read = (name: string) => file.tensor(prefix + name);
      const [sample, timesteps, expected] = [await read("sample"), await read("timestep"), await file.tensor(output)];
      const conditioning: Record<string, FloatTensor> = {};
      for (const name of names) {
        if (!file.has(prefix + name)) continue;
        conditioning[name] = foldAbsentText(name, await read(name), pipeline.conditioningShapes[name]);
      }
      const predictions = await Promise.all(
        Array.from(timesteps.data, (timestep, index) =>
          denoiseOne(
            pipeline,
            rows(sample, index, index + 1),
            timestep,
            conditioningAt(conditioning, index),
            softTokens,
          ),
        ),
      );
      const joined = floatTensor(expected.shape, Float32Array.from(predictions.flatMap(({ data }) => [...data])));
      yield compare(output, joined, expected, limits.module);
    }
  }
}

/** One prediction of a denoiser, in a new graph. */
export async function denoiseOne(
  pipeline: Denoiser,
  sample: FloatTensor,
  timestep: number,
  conditioning: Conditioning,
  softTokens: SoftTokens | null,
): Promise<FloatTensor> {
  const graph = new Graph();
  const embedding = softTokens && (await SoftTokenEmbedding.open(pipeline, softTokens));
  const inputs = {
    sample: input(graph, "sample", sample.shape),
    timestep: input(graph, "timestep", [1]),
    conditioning: Object.fromEntries(
      Object.entries(conditioning).map(([name, { shape }]) => [name, input(graph, name, shape)]),
    ),
    softTokens: embedding && softTokenInput(graph, embedding.form, 1),
  };
  const prediction = pipeline.denoise(graph, inputs);
  const session = await pipeline.engine.compile(writeOnnx(graph, { prediction }, pipeline.engine.target));
  const effective = embedding && (await embedding.at(timestep));
  const results = await session.run({
    sample,
    timestep: floatTensor([1], Float32Array.of(timestep)),
    ...conditioning,
    ...softTokenFeed(effective),
  });
  await session.release();
  await embedding?.release();
  return results.prediction as FloatTensor;
}
