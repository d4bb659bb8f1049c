/** @file Goldens of the autoencoder. */

import { join } from "node:path";
import type { FloatTensor } from "#softrepa/core/tensor.js";
import { Graph } from "#softrepa/graph/graph.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { input } from "#softrepa/graph/ops.js";
import {
  autoencoderConfigSchema,
  autoencoderDialect,
  vaeDecoder,
  vaeEncoder,
} from "#softrepa/models/autoencoder-kl.js";
import { translateKeys } from "#softrepa/models/dialect.js";
import { Weights } from "#softrepa/models/weights.js";
import { openPipelineFolder, readComponentJson } from "#softrepa/pipelines/folder.js";
import { openCheckpoint } from "#softrepa/weights/checkpoint.js";
import { type Comparison, compare, limits } from "./compare.js";
import { GoldenFile } from "./golden-file.js";
import type { Subject } from "./subject.js";

export async function* checkAutoencoder({ folder, pipeline }: Subject, golden: string): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const pipelineFolder = await openPipelineFolder(join(folder, "pipeline"));
  const config = await readComponentJson(pipelineFolder, "vae", "config.json", autoencoderConfigSchema);
  const path = join(folder, "pipeline", "vae");
  const weights = translateKeys(await openCheckpoint(path, "diffusion_pytorch_model"), autoencoderDialect);
  const { engine } = pipeline;
  const [image, latent] = [await file.tensor("image"), await file.tensor("latent")];

  const encoder = new Graph();
  const encoded = vaeEncoder(Weights.of(encoder, weights), config, input(encoder, "image", image.shape));
  const encoding = await engine.compile(writeOnnx(encoder, { ...encoded }, engine.target));
  const { mean, logvar } = await encoding.run({ image });
  yield compare("mean", mean as FloatTensor, await file.tensor("mean"), limits.module);
  yield compare("logvar", logvar as FloatTensor, await file.tensor("logvar"), limits.module);
  await encoding.release();

  const decoder = new Graph();
  const output = vaeDecoder(Weights.of(decoder, weights), config, input(decoder, "latent", latent.shape));
  const decoding = await engine.compile(writeOnnx(decoder, { output }, engine.target));
  const { output: decoded } = await decoding.run({ latent });
  yield compare("decoded", decoded as FloatTensor, await file.tensor("decoded"), limits.module);
  await decoding.release();
}
