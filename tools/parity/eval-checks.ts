/** @file Goldens of the metrics' networks: a folder with a small CLIP in `clip/`, images, and expected values; larger networks have synthetic weights. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { concatRows, type FloatTensor, floatTensor, rows, type Shape, type Tensor } from "#softrepa/core/tensor.js";
import { interpolateBilinear } from "#softrepa/data/resample.js";
import { readRgbImage } from "#softrepa/data/rgb-image.js";
import { openClip } from "#softrepa/evaluation/metrics/clip.js";
import { featureStatistics, frechetDistance } from "#softrepa/evaluation/metrics/frechet.js";
import { Graph } from "#softrepa/graph/graph.js";
import type { Value } from "#softrepa/graph/ir.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { input } from "#softrepa/graph/ops.js";
import { translateKeys } from "#softrepa/models/dialect.js";
import { fidInception, inceptionSide } from "#softrepa/models/fid-inception.js";
import { imageReward, imageRewardConfig } from "#softrepa/models/image-reward.js";
import { lpips, lpipsDialect } from "#softrepa/models/lpips.js";
import { Weights } from "#softrepa/models/weights.js";
import type { Engine, NamedTensors } from "#softrepa/runtime/engine.js";
import { weightShapes } from "#softrepa/testing/synthetic/weights.js";
import { openSafetensors } from "#softrepa/weights/safetensors.js";
import type { WeightSource } from "#softrepa/weights/source.js";
import { type Comparison, compare, type Limit, limits } from "./compare.js";
import { GoldenFile, readJson } from "./golden-file.js";
import { withSyntheticWeights } from "./synthetic-weights.js";

type EvalCheck = (folder: string, golden: string, engine: Engine) => AsyncGenerator<Comparison>;

/** The check functions by golden file. */
export const evalChecks: Readonly<Record<string, EvalCheck>> = {
  "clip.safetensors": checkClip,
  "frechet.safetensors": checkFrechet,
  "inception.safetensors": checkInception,
  "lpips.safetensors": checkLpips,
  "imagereward.safetensors": checkImageReward,
};

/** Gain of the synthetic convolution weights in networks with ReLU. */
const reluGain = Math.SQRT2;
const pixelLimit: Limit = { kind: "each", absolute: 2 / 255, relative: 0 };

const metaSchema = z.looseObject({ prompts: z.array(z.string()), frechet_distance: z.number() });

async function* checkClip(folder: string, golden: string, engine: Engine): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const { prompts } = await readJson(folder, "meta.json", metaSchema);
  const clip = await openClip(join(folder, "clip"), engine);
  try {
    const names = (await readdir(join(folder, "images"))).sort(
      (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10),
    );
    const expected = await file.tensor("pixel_values");
    const decoded = await Promise.all(names.map((name) => readRgbImage(join(folder, "images", name))));
    const pixels = decoded.map((image) => clip.pixelsOf(image));
    // In units of the image's levels, 0 to 1.
    yield compare("pixels", levels(concatRows(pixels), clip.deviation), levels(expected, clip.deviation), pixelLimit);
    const ids = prompts.map((prompt) => clip.tokenizer.encode(prompt).ids);
    const table = floatTensor([ids.length, ids[0].length], Float32Array.from(ids.flat()));
    yield compare("input_ids", table, await file.tensor("input_ids"), limits.exact);
    const images = await clip.embedPixels([...names.keys()], (index) => rows(expected, index, index + 1));
    yield compare("image_embeds", joinVectors(images), await file.tensor("image_embeds"), limits.module);
    const texts = await clip.embedTexts(prompts);
    yield compare("text_embeds", joinVectors(texts), await file.tensor("text_embeds"), limits.module);
    const cosines = images.flatMap((image) => texts.map((text) => cosine(image, text)));
    const shape = [images.length, texts.length];
    yield compare("cosine", floatTensor(shape, Float32Array.from(cosines)), await file.tensor("cosine"), limits.module);
  } finally {
    await clip.release();
  }
}

async function* checkFrechet(folder: string, golden: string): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const { frechet_distance: expected } = await readJson(folder, "meta.json", metaSchema);
  const [a, b] = [vectors(await file.tensor("a")), vectors(await file.tensor("b"))];
  const distance = frechetDistance(featureStatistics(a), featureStatistics(b));
  yield compare("", single(distance), single(expected), limits.error);
}

async function* checkInception(folder: string, golden: string, engine: Engine): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const image = await file.tensor("image");
  const resized = rowsOf(image).map((one) => interpolateBilinear(one, inceptionSide, inceptionSide));
  const pixels = joinRows(resized.map((one) => ({ ...one, data: one.data.map((x) => 2 * x - 1) })));
  const build = (w: Weights, graph: Graph) => fidInception(w, input(graph, "pixels", pixels.shape));
  const features = await withSyntheticWeights(weightShapes(build), reluGain, (source) =>
    runOnce(engine, { pixels }, (graph, of) => ({ output: fidInception(Weights.of(graph, source), of("pixels")) })),
  );
  yield compare("features", features.output, await file.tensor("features"), limits.module);
}

async function* checkLpips(folder: string, golden: string, engine: Engine): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const own: WeightSource = translateKeys(await openSafetensors(join(folder, golden)), lpipsDialect);
  const [a, b] = [await file.tensor("a"), await file.tensor("b")];
  const trunkShapes = new Map(
    [...weightShapes((w, graph) => lpips(w, w, input(graph, "a", a.shape), input(graph, "b", b.shape)))].filter(
      ([name]) => name.startsWith("features."),
    ),
  );
  const result = await withSyntheticWeights(trunkShapes, reluGain, (source) =>
    runOnce(engine, { a, b }, (graph, of) => ({
      output: lpips(Weights.of(graph, source), Weights.of(graph, own), of("a"), of("b")),
    })),
  );
  yield compare("distance", result.output, await file.tensor("distance"), limits.module);
}

const namesSchema = z.looseObject({ names: z.array(z.tuple([z.string(), z.array(z.int().nonnegative())])) });

async function* checkImageReward(folder: string, golden: string, engine: Engine): AsyncGenerator<Comparison> {
  const file = await GoldenFile.open(join(folder, golden));
  const { names } = await readJson(folder, "imagereward-names.json", namesSchema);
  const shapes = new Map<string, Shape>(names.filter(([name]) => !name.endsWith(".position_ids")));
  const pixels = await file.tensor("pixel_values");
  const [inputIds, attentionMask] = [
    integral(await file.tensor("input_ids")),
    integral(await file.tensor("attention_mask")),
  ];
  const result = await withSyntheticWeights(shapes, 1, (source) =>
    runOnce(engine, { pixels, inputIds, attentionMask }, (graph, of) => {
      const w = Weights.of(graph, source);
      const inputs = { pixels: of("pixels"), inputIds: of("inputIds"), attentionMask: of("attentionMask") };
      const outputs = imageReward(w, imageRewardConfig(source), inputs);
      w.requireAllUsed();
      return { ...outputs };
    }),
  );
  yield compare("visual_cls", result.visualClass, await file.tensor("visual_cls"), limits.module);
  yield compare("reward", result.reward, await file.tensor("reward"), limits.module);
}

async function runOnce(
  engine: Engine,
  feeds: NamedTensors,
  build: (graph: Graph, of: (name: string) => Value) => Readonly<Record<string, Value>>,
): Promise<Readonly<Record<string, FloatTensor>>> {
  const graph = new Graph();
  const inputs = new Map(
    Object.entries(feeds).map(([name, { shape, dtype }]) => [name, input(graph, name, shape, dtype)]),
  );
  const session = await engine.compile(
    writeOnnx(
      graph,
      build(graph, (name) => inputs.get(name) as Value),
      engine.target,
    ),
  );
  try {
    return (await session.run(feeds)) as Readonly<Record<string, FloatTensor>>;
  } finally {
    await session.release();
  }
}

function integral({ shape, data }: FloatTensor): Tensor {
  return { dtype: "int64", shape, data: BigInt64Array.from(data, BigInt) };
}

function rowsOf(tensor: FloatTensor): FloatTensor[] {
  return Array.from({ length: tensor.shape[0] }, (_, index) => {
    const row = rows(tensor, index, index + 1);
    return { ...row, shape: row.shape.slice(1) };
  });
}

const vectors = (tensor: FloatTensor): Float32Array[] => rowsOf(tensor).map(({ data }) => data);

function joinRows(tensors: readonly FloatTensor[]): FloatTensor {
  const shape = [tensors.length, ...tensors[0].shape];
  return floatTensor(shape, Float32Array.from(tensors.flatMap(({ data }) => [...data])));
}

function joinVectors(embeddings: readonly Float32Array[]): FloatTensor {
  return joinRows(embeddings.map((data) => floatTensor([data.length], data)));
}

const single = (value: number): FloatTensor => floatTensor([1], Float32Array.of(value));

/** Multiplies normalised pixels [N, 3, H, W] by the deviations, so that differences are in units of pixel levels from 0 to 1. */
function levels(pixels: FloatTensor, deviation: readonly number[]): FloatTensor {
  const area = pixels.shape[2] * pixels.shape[3];
  return { ...pixels, data: pixels.data.map((x, i) => x * deviation[Math.floor(i / area) % 3]) };
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
