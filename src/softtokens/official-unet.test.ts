import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { input } from "../graph/ops.js";
import { unet } from "../models/unet.js";
import { unetConfigSchema } from "../models/unet-config.js";
import type { UnetStage } from "../pipelines/pipeline.js";
import { UnetDenoiser } from "../pipelines/unet-denoiser.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { compileGuidedDenoiser } from "../sampling/guided-denoiser.js";
import { diffusionSchedulers, parseDiffusionConfig } from "../schedulers/index.js";
import { largestDifference } from "../testing/pipelines/support.js";
import { weightShapes, writeSyntheticWeights } from "../testing/synthetic/weights.js";
import { refuses, shared, temporaryFolder } from "../testing/weights/support.js";
import { openSafetensors } from "../weights/safetensors.js";
import { SoftTokenEmbedding } from "./embedding.js";
import { readSoftTokens } from "./formats/index.js";

const official = shared("official-tokens");
const absent = official === undefined ? "the authors' token files are missing (../shared/official-tokens)" : false;
const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());
const at = temporaryFolder();

/** A small UNet for text of the real width. */
async function denoiserOf(family: "sd15" | "sdxl", width: number, stages: readonly UnetStage[]) {
  const config = unetConfigSchema.parse({
    ...{ _class_name: "UNet2DConditionModel", block_out_channels: [8, 16], layers_per_block: 1, norm_num_groups: 4 },
    ...{
      down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
      up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
    },
    ...{ cross_attention_dim: width, attention_head_dim: 2 },
    ...(family === "sdxl" && {
      ...{ addition_embed_type: "text_time", addition_time_embed_dim: 4, projection_class_embeddings_input_dim: 34 },
    }),
  });
  const file = at(`${family}.safetensors`);
  const shapes = weightShapes((w, graph) => {
    const added = { pooled: input(graph, "pooled", [1, 10]), timeIds: input(graph, "time_ids", [1, 6]) };
    const inputs = { sample: input(graph, "sample", [1, 4, 2, 2]), timestep: input(graph, "timestep", [1]) };
    unet(w, config, {
      ...inputs,
      added: config.pooledWidth === null ? null : added,
      promptEmbeds: input(graph, "states", [1, 1, width]),
    });
  });
  await writeSyntheticWeights(file, shapes);
  const diffusion = parseDiffusionConfig({ _class_name: "DDIMScheduler" });
  return new UnetDenoiser(engine, {
    ...{ family, stages, config, weights: await openSafetensors(file), textLength: 5, scaleFactor: 8 },
    scheduler: diffusionSchedulers.ddim(diffusion),
  });
}

describe("the authors' released tokens on a UNet of the right width", { skip: absent }, () => {
  for (const [name, family, width, stages, buckets] of [
    ["sd1.5", "sd15", 768, ["down"], 100],
    ["sdxl", "sdxl", 2048, ["down", "mid"], 0],
  ] as const) {
    it(name, async () => {
      const denoiser = await denoiserOf(family, width, stages);
      const tokens = await readSoftTokens(`${official}/${name}`);
      assert.deepEqual([tokens.tokens.shape, tokens.timeTable?.shape[0] ?? 0], [[1, 4, width], buckets]);
      const embedding = await SoftTokenEmbedding.open(denoiser, tokens);
      assert.deepEqual(embedding.form, { shape: [1, 4, width], stages });
      const effective = await embedding.at(613);
      const row = tokens.timeTable?.data.subarray(61 * width, 62 * width) ?? new Float32Array(width);
      const expected = tokens.tokens.data.map((x, i) => x + (row[i % width] ?? Number.NaN));
      assert.ok(largestDifference(effective, { data: expected }) < 1e-6);

      const random = new Generator(1);
      const sample = random.normal([1, 4, 8, 8]);
      const texts = { prompt_embeds: random.normal([1, 5, width]) };
      const conditioning = family === "sdxl" ? { ...texts, pooled: random.normal([1, 10]) } : texts;
      const predict = async (softTokens: FloatTensor | null) => {
        const options = { images: 1, latentShape: [4, 8, 8], guided: false };
        const guided = await compileGuidedDenoiser(denoiser, { ...options, softTokens: softTokens && embedding.form });
        const result = await guided.run({ sample, timestep: 613, conditioning, softTokens, guidanceScale: 1 });
        await guided.release();
        return result;
      };
      const [base, soft] = [await predict(null), await predict(effective)];
      assert.ok(soft.data.every(Number.isFinite));
      assert.ok(largestDifference(soft, base) > 1e-4);
      await embedding.release();
      const other = { ...tokens, tokens: floatTensor([1, 4, 9]), timeTable: null };
      await refuses(() => SoftTokenEmbedding.open(denoiser, other), new RegExp(`text stream is ${width}: they belong`));
    });
  }
});
