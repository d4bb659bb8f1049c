/** @file A family defined outside of the package, in one file. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Generator } from "../core/random.js";
import type { FloatTensor } from "../core/tensor.js";
import { openDataSet } from "../data/data-set.js";
import type { Value } from "../graph/ir.js";
import { concat, reduceMean, reshape, slice, upsampleNearest } from "../graph/ops.js";
import { softRepa } from "../objectives/softrepa.js";
import { openSingleClip } from "../pipelines/clip-text-encoders.js";
import type { ImageCodec } from "../pipelines/image-codec.js";
import { unetPipelineParts } from "../pipelines/unet-pipeline.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { generate } from "../sampling/generate.js";
import { createSoftTokens } from "../softtokens/initial.js";
import { withProvenance } from "../softtokens/provenance.js";
import { writeTestImages } from "../testing/data/test-images.js";
import { familyContract } from "../testing/families/contract.js";
import { changeJson, copyPipeline } from "../testing/pipelines/support.js";
import { refuses, temporaryFolder } from "../testing/weights/support.js";
import { train } from "../training/train.js";
import type { Family } from "./family.js";
import { openPipeline } from "./open.js";

/** Encodes images as means of 4 x 4 pixels, with grey as a fourth channel. */
const means: ImageCodec = {
  name: "pixel means",
  imageChannels: 3,
  latentChannels: 4,
  scaleFactor: 4,
  encode(images: Value): Value {
    const [count, height, width] = [images.dim(0), images.dim(2) / 4, images.dim(3) / 4];
    const colours = reduceMean(reshape(images, [count, 3, height, 4, width, 4]), [3, 5]);
    return concat([colours, reduceMean(colours, [1], { keepDims: true })], 1);
  },
  decode: (latents) => upsampleNearest(slice(latents, 1, 0, 3), 4),
  fingerprint: async () => "means of 4 x 4",
};

const custom: Family = {
  name: "custom",
  title: "My model",
  className: "MyPipeline",
  architecture: "custom-v1",
  defaults: { steps: 2, guidanceScale: 1, dweight: 0, layers: 1, stages: ["mid", "up"], initialTokens: "noise" },
  paper: null,
  singleFile: null,
  open: async (source) => ({
    ...(await unetPipelineParts(source, { openTextEncoders: openSingleClip, forceZerosForEmptyPrompt: true })),
    codec: means,
  }),
};

const path = temporaryFolder();

/** Writes a model of the family in a folder of its own. */
async function writeModel(name: string): Promise<string> {
  const folder = await copyPipeline("sd15", path(name));
  await changeJson(join(folder, "model_index.json"), { _class_name: "MyPipeline" });
  return folder;
}

familyContract(custom, async () => ({ folder: await writeModel("contract"), file: null }));

describe("a custom family", () => {
  const engine = new OnnxRuntimeEngine("cpu", 1);
  after(() => engine.close());
  let folder = "";
  before(async () => {
    folder = await writeModel("model");
  });

  it("is unknown unless it is passed", async () => {
    await refuses(() => openPipeline(folder, engine), /is a MyPipeline, which is not supported \(supported: Stable/);
  });

  it("generates with its codec and defaults, and trains for a step", async () => {
    const pipeline = await openPipeline(folder, engine, { families: [custom] });
    const sizes = { layers: 1, count: 2, buckets: 4, width: "raw" } as const;
    const softTokens = await createSoftTokens(pipeline, sizes, new Generator(1));
    assert.equal(softTokens.metadata["softrepa.family"], "custom");
    assert.equal(softTokens.metadata["softrepa.stages"], "mid,up");

    const { steps, guidanceScale } = pipeline.defaults;
    const request = { jobs: [{ prompt: "a cat", seed: 7 }], negative: "", steps, guidanceScale, strength: 1 };
    const images: FloatTensor[] = [];
    for await (const { image } of generate(pipeline, { ...request, width: 16, height: 16, softTokens, batch: 1 })) {
      images.push(image);
    }
    // Each colour covers 4 x 4 pixels.
    const [pixels = new Float32Array()] = images.map(({ data }) => data);
    assert.equal(pixels.length, 3 * 16 * 16);
    assert.ok(pixels.every((value, index) => value === pixels[index - (index % 4)]));
    assert.ok(new Set(pixels).size > 16);

    await writeTestImages(path("images"));
    const { items } = await openDataSet(path("images"));
    const untrained = Float32Array.from(softTokens.tokens.data);
    const objective = softRepa({ temperature: 1, scale: 4, dweight: 0 });
    await train(pipeline, {
      ...{ pools: [{ items, share: 1 }], softTokens, objective },
      ...{ batch: 2, steps: 1, learningRate: 0.01, weightDecay: 0, restartPeriod: 2, schedulerEvery: 1 },
      ...{ minimumLearningRate: 0, seed: 5, resolution: 16 },
    });
    assert.notDeepEqual(softTokens.tokens.data, untrained);
    const provenance = {
      version: "1",
      base: { name: "model", hash: "0" },
      steps: 1,
      resolution: 16,
      data: "0",
      settings: {},
    };
    const { metadata } = withProvenance(softTokens, pipeline, provenance);
    assert.equal(metadata["modelspec.architecture"], "custom-v1/soft-tokens");
    await pipeline.close();
  });
});
