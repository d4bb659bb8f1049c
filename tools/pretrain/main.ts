#!/usr/bin/env node
/**
 * @file `npm run demo:pretrain`: trains the bundled pipeline from nothing but the renderer. Interrupted, it goes on at the
 * next call. States, logs and the folder lie in out/pretrain; `--export` writes the folder from the states as they are.
 * `--from FOLDER` starts the stream of image tokens from that pipeline's transformer.
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SoftrepaError } from "#softrepa/core/errors.js";
import type { FloatTensor } from "#softrepa/core/tensor.js";
import { openClipTokenizer } from "#softrepa/models/tokenizer/clip.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { OpenVinoEngine } from "#softrepa/runtime/openvino/engine.js";
import { findOpenVino } from "#softrepa/runtime/openvino/find-library.js";
import { autoencoderBatch, autoencoderLoss } from "./autoencoder.js";
import { autoencoderConfig, transformerConfig } from "./configs.js";
import { readImageStream, writePipeline, writeTokenizers } from "./folder.js";
import { type InitialWeight, initialWeights, normal, positionTable, zeros } from "./initial.js";
import { encodeScenes, measureScale, scaleLatents } from "./latents.js";
import { Network } from "./network.js";
import { loadState, runStage, type Stage, trapezoid } from "./stage.js";
import { textEncoderBatch, textEncoderLoss, textEncoderNames } from "./text-encoders.js";
import { transformerBatch, transformerLoss } from "./transformer.js";

const { values: options } = parseArgs({ options: { export: { type: "boolean" }, from: { type: "string" } } });
const folder = join(fileURLToPath(new URL("../../../", import.meta.url)), "out", "pretrain");
const pipeline = join(folder, "pipeline");
const interruption = new AbortController();
process.on("SIGINT", () => interruption.abort());
const openvino = findOpenVino();
const engine = openvino ? await OpenVinoEngine.open(openvino, "auto", 2) : new OnnxRuntimeEngine("cpu", 2);
const hooks = { signal: interruption.signal, print: (line: string) => console.log(line) };

/** Stays zero: this transformer reads texts word by word only, since what a pooled text says of its style no soft token could add to. */
const pooledProjection = /time_text_embed\.text_embedder\.linear_2\./;

try {
  await pretrain();
} catch (error) {
  if (!(error instanceof SoftrepaError)) throw error;
  console.error(`demo:pretrain: ${error.message}`);
  process.exitCode = 1;
} finally {
  await engine.close();
}

async function pretrain(): Promise<void> {
  // First of all, since what comes before it is used takes minutes.
  const before = options.from ? await readImageStream(options.from) : null;
  const autoencoder = await trainAutoencoder();
  if (!autoencoder) return;
  const sceneFile = join(folder, "latents.safetensors");
  const encoded = await encodeScenes(224_000, autoencoder, engine, sceneFile, interruption.signal);
  if (!encoded) return;
  const scale = measureScale(encoded.latents);
  scaleLatents(encoded.latents, scale);
  console.log(`latents: shift ${scale.shift}, scale ${scale.scale}`);

  await writeTokenizers(pipeline);
  const tokenizer = await openClipTokenizer(join(pipeline, "tokenizer"));
  const textEncoders = await trainTextEncoders();
  if (!textEncoders) return;

  const steps = 3_800;
  const batch = 96;
  const ownWeights = initialWeights(3, [
    [/norm1(_context)?\.linear\.|norm_out\.linear\.|^transformer\.proj_out\./, zeros],
    [pooledProjection, zeros],
    [/pos_embed\.pos_embed$/, positionTable(transformerConfig.pos_embed_max_size)],
  ]);
  const network = await Network.compile(
    engine,
    (w) => transformerLoss(w, batch),
    (name, shape) => (textEncoders.get(name) ?? before?.get(name))?.data.slice() ?? ownWeights(name, shape),
    { weightDecay: 0.01, beta2: 0.99, gradientNorm: 1, averageDecay: 0.999 },
    (name) => textEncoderNames.some((encoder) => name.startsWith(`${encoder}.`)) || pooledProjection.test(name),
  );
  const stage: Stage = {
    name: "transformer",
    network,
    steps,
    batch,
    nextBatch: (random) => transformerBatch(encoded, batch, tokenizer, random),
    learningRate: trapezoid(8e-4, 200, 1_200, steps),
  };
  if (options.export) await loadState(stage, folder);
  else await runStage(stage, folder, hooks);
  await writePipeline(pipeline, autoencoder, network.averages(), scale);
  console.log(`${pipeline}: after ${network.step} steps`);
  await network.release();
}

/** First with latents pressed to one scale, which makes them smooth; then with nearly free ones, for small shapes' corners. */
async function trainAutoencoder(): Promise<ReadonlyMap<string, FloatTensor> | null> {
  const coarse = await trainAutoencoderStage("autoencoder", 2400, 1e-3, initialWeights(1, []));
  if (!coarse) return null;
  const fromCoarse: InitialWeight = (name, shape) => coarse.get(name)?.data.slice() ?? zeros(shape);
  return trainAutoencoderStage("autoencoder-fine", 1200, 1e-4, fromCoarse);
}

async function trainAutoencoderStage(name: string, steps: number, klWeight: number, initial: InitialWeight) {
  const batch = 8;
  const network = await Network.compile(
    engine,
    (w) => autoencoderLoss(w, autoencoderConfig, batch, klWeight),
    initial,
    { weightDecay: 0.01, beta2: 0.99, gradientNorm: 1, averageDecay: 0.998 },
  );
  const done = await runStage(
    {
      name,
      network,
      steps,
      batch,
      nextBatch: (random) => autoencoderBatch(autoencoderConfig, batch, random),
      learningRate: trapezoid(2e-3, 50, 800, steps),
    },
    folder,
    hooks,
  );
  await network.release();
  return done ? network.averages() : null;
}

async function trainTextEncoders() {
  const steps = 1_600;
  const batch = 128;
  const tokenizer = await openClipTokenizer(join(pipeline, "tokenizer"));
  const network = await Network.compile(
    engine,
    (w) => textEncoderLoss(w, batch),
    initialWeights(2, [[/_embedding\.weight$/, normal(0.1)]]),
    { weightDecay: 0.05, beta2: 0.99, gradientNorm: 1, averageDecay: 0.998 },
  );
  const done = await runStage(
    {
      name: "text-encoders",
      network,
      steps,
      batch,
      nextBatch: (random) => textEncoderBatch(batch, tokenizer, random),
      learningRate: trapezoid(1e-3, 100, 800, steps),
    },
    folder,
    hooks,
  );
  await network.release();
  return done ? network.averages() : null;
}
