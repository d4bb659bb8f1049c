import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { UsageError } from "../core/errors.js";
import { floatTensor, rows } from "../core/tensor.js";
import { unetConfigSchema } from "../models/unet-config.js";
import { encodeForGuidance } from "../pipelines/conditioning.js";
import { UnetDenoiser } from "../pipelines/unet-denoiser.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { compileGuidedDenoiser } from "../sampling/guided-denoiser.js";
import { noisySample } from "../schedulers/index.js";
import { someOf } from "../testing/core/repetitions.js";
import {
  captions,
  changeJson,
  changeTensors,
  copyPipeline,
  largestDifference,
  openTiny,
  weightFile,
} from "../testing/pipelines/support.js";
import { refuses, survives } from "../testing/weights/support.js";
import { openPipeline } from "./open.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());
const open = (folder: string) => openPipeline(folder, engine);

let scratch = "";
const folders = { sd15: "", sdxl: "" };
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "softrepa-unet-"));
  for (const family of ["sd15", "sdxl"] as const) folders[family] = await copyPipeline(family, join(scratch, family));
});
after(() => rm(scratch, { recursive: true, force: true }));

/** Opens a family's folder with one JSON file changed. */
async function opened(family: "sd15" | "sdxl", file: string, changes: Readonly<Record<string, unknown>>) {
  const path = join(folders[family], file);
  const original = await readFile(path);
  await changeJson(path, changes);
  try {
    return await open(folders[family]);
  } finally {
    await writeFile(path, original);
  }
}

describe("families with a UNet", () => {
  it("describe their pipelines", async () => {
    const checked = async (family: "sd15" | "sdxl") => {
      const pipeline = await openTiny(family);
      const { defaultSize, vaeScaleFactor, sizeMultiple, latentChannels } = pipeline;
      assert.deepEqual([defaultSize, vaeScaleFactor, sizeMultiple, latentChannels], [64, 4, 4, 4]);
      assert.equal(pipeline.tokensPerPair([4, 16, 16]), 256 + 77);
      assert.equal(pipeline.scheduler.title, "DDIM");
      return pipeline;
    };
    const sd15 = await checked("sd15");
    assert.deepEqual(sd15.softTokenLayout, {
      ...{ family: "sd15", placement: "after-first", layers: 1, rawWidth: 32, projectedWidth: 32, stages: ["down"] },
    });
    assert.deepEqual(sd15.conditioningShapes, { prompt_embeds: [77, 32] });
    const paper = { steps: 30, guidanceScale: 7, dweight: 10, layers: 1 };
    assert.deepEqual(sd15.defaults, { ...paper, stages: ["down"], initialTokens: "empty-prompt" });
    const sdxl = await checked("sdxl");
    assert.deepEqual([sdxl.softTokenLayout.family, sdxl.softTokenLayout.stages], ["sdxl", ["down", "mid"]]);
    assert.deepEqual(sdxl.conditioningShapes, { prompt_embeds: [77, 56], pooled: [20] });
    assert.deepEqual(sdxl.defaults, { ...paper, stages: ["down", "mid"], initialTokens: "noise" });
  });

  it("offer every scheduler, and the one in their file", async () => {
    const sd15 = await openTiny("sd15");
    const titles = ["ddim", "pndm", "euler", "euler-ancestral", "dpmpp-2m", "dpmpp-2m-karras", "own"].map(
      (name) => sd15.schedulerNamed(name).title,
    );
    assert.deepEqual(titles, ["DDIM", "PLMS", "Euler", "Euler a", "DPM++ 2M", "DPM++ 2M Karras", "PLMS"]);
    assert.throws(() => sd15.schedulerNamed("flow-euler"), UsageError);
    const sd3 = await openTiny("sd3");
    assert.equal(sd3.schedulerNamed("own").title, "Flow Match Euler");
    assert.throws(() => sd3.schedulerNamed("ddim"), UsageError);
  });

  it("add noise as DDPM; the target is the noise, or v if the file says so", async () => {
    const latents = floatTensor([2, 1, 1, 2], Float32Array.of(1, 2, 3, 4));
    const noise = floatTensor([1, 1, 1, 2], Float32Array.of(10, 20));
    // beta_0 = 0.00085 is the noise's share of the variance.
    const [signal, share] = [Math.sqrt(1 - 0.00085), Math.sqrt(0.00085)];
    const close = (actual: Float32Array, expected: readonly number[]) =>
      assert.ok(largestDifference({ data: actual }, { data: Float32Array.from(expected) }) < 1e-5, `${actual}`);
    const { sample, target } = noisySample((await openTiny("sd15")).scheduler, latents, noise, 0);
    const noisy = [1, 2, 3, 4].map((x, i) => signal * x + share * (i % 2 === 0 ? 10 : 20));
    close(sample.data, noisy);
    assert.deepEqual([...target.data], [10, 20, 10, 20]);
    const v = await opened("sd15", "scheduler/scheduler_config.json", { prediction_type: "v_prediction" });
    const velocity = noisySample(v.scheduler, latents, noise, 0);
    close(velocity.sample.data, noisy);
    close(
      velocity.target.data,
      [1, 2, 3, 4].map((x, i) => signal * (i % 2 === 0 ? 10 : 20) - share * x),
    );
  });

  it("use zeros for the empty negative prompt unless the file says otherwise", async () => {
    const zeros = async (pipeline: Awaited<ReturnType<typeof open>>, text: string) => {
      const { negative } = await encodeForGuidance(pipeline, [captions[0]], text);
      assert.ok(negative);
      return Object.values(negative).every(({ data }) => data.every((x) => x === 0));
    };
    assert.equal(await zeros(await openTiny("sdxl"), ""), true);
    assert.equal(await zeros(await openTiny("sdxl"), "ugly"), false);
    assert.equal(await zeros(await openTiny("sd15"), ""), false);
    const encoded = await opened("sdxl", "model_index.json", { force_zeros_for_empty_prompt: false });
    assert.equal(await zeros(encoded, ""), false);
    const { negative, conditioning } = await encodeForGuidance(encoded, ["", "x"], "");
    assert.ok(negative?.pooled && conditioning.pooled);
    assert.ok(largestDifference(negative.pooled, rows(conditioning.pooled, 0, 1)) < 1e-6);
    assert.equal((await encodeForGuidance(encoded, ["x"], null)).negative, null);
  });

  it("condition SDXL on the image size", async () => {
    const pipeline = await openTiny("sdxl");
    const { conditioning } = await pipeline.encodePrompts([captions[0]]);
    const predict = async (side: number) => {
      const latentShape = [4, side, side];
      const options = { images: 1, latentShape, guided: false, softTokens: null };
      const denoiser = await compileGuidedDenoiser(pipeline, options);
      const sample = floatTensor([1, ...latentShape]);
      const feeds = { sample, timestep: 500, conditioning, softTokens: null, guidanceScale: 1 };
      const { data } = await denoiser.run(feeds);
      await denoiser.release();
      return data;
    };
    // A constant image has the same prediction at any size, except near its border.
    const [small, large] = [await predict(8), await predict(16)];
    assert.ok(Math.abs((small[3 * 8 + 3] ?? Number.NaN) - (large[7 * 16 + 7] ?? Number.NaN)) > 1e-4);
  });

  it("default to 512 pixels if an old file has a smaller size", async () => {
    const old = await opened("sd15", "unet/config.json", { _diffusers_version: "0.6.0", sample_size: 32 });
    assert.equal(old.defaultSize, 64 * 4);
    assert.equal((await opened("sd15", "unet/config.json", { sample_size: [20, 24] })).defaultSize, 80);
    assert.equal((await opened("sd15", "unet/config.json", { sample_size: null })).defaultSize, 64 * 4);
  });
});

describe("families with a UNet reject", () => {
  it("pipelines for other tasks", async () => {
    for (const name of ["Img2Img", "Inpaint"].flatMap((work) => [
      `StableDiffusion${work}`,
      `StableDiffusionXL${work}`,
    ])) {
      await refuses(
        () => opened("sd15", "model_index.json", { _class_name: `${name}Pipeline` }),
        new RegExp(`is a ${name}Pipeline, which is not supported \\(supported: StableDiffusionPipeline, `),
      );
    }
    await refuses(
      () => opened("sdxl", "model_index.json", { text_encoder: [null, null], tokenizer: [null, null] }),
      /has no text_encoder: only base models of Stable Diffusion XL are supported$/,
    );
  });

  it("unsupported networks and schedulers, naming file and key", async () => {
    const cases: ["sd15" | "sdxl", string, Record<string, unknown>, RegExp][] = [
      ["sd15", "unet/config.json", { in_channels: 9 }, /autoencoder has 4 latent channels, the unet expects 9$/],
      ["sd15", "unet/config.json", { class_embed_type: "timestep" }, /unet.config\.json: "class_embed_type": not supp/],
      ["sdxl", "unet/config.json", { addition_time_embed_dim: 12 }, /"projection_class_embeddings_input_dim": must be/],
      [
        "sdxl",
        "unet/config.json",
        { cross_attention_dim: 57 },
        /output prompt_embeds of shape \[77,56\], the unet expects \[77,57\]/,
      ],
      [
        "sdxl",
        "unet/config.json",
        { addition_embed_type: null },
        /text encoders output pooled of shape \[20\], the unet expects \[\]/,
      ],
      [
        "sd15",
        "scheduler/scheduler_config.json",
        { prediction_type: "sample" },
        /scheduler_config\.json: prediction_type/,
      ],
      [
        "sd15",
        "scheduler/scheduler_config.json",
        { _class_name: "EDMEulerScheduler" },
        /_class_name: not supported here/,
      ],
    ];
    for (const [family, file, changes, message] of cases) await refuses(() => opened(family, file, changes), message);
  });

  it("a UNet whose shapes differ from its configuration, on opening", async () => {
    await refuses(
      () => opened("sd15", "unet/config.json", { block_out_channels: [16, 32, 32, 64] }),
      /sd15.unet: \S+ has shape \[.*\], the configuration requires \[/,
    );
    await refuses(
      () => opened("sd15", "unet/config.json", { mid_block_type: "UNetMidBlock2D" }),
      /sd15.unet: \d+ tensors do not belong to the configured model: mid_block\./,
    );
  });

  it("a UNet that predicts a variance too", async () => {
    const folder = await copyPipeline("sd15", join(scratch, "variance"));
    await changeTensors(weightFile(folder, "unet"), (tensors) => {
      for (const name of ["conv_out.weight", "conv_out.bias"]) {
        const { data, shape } = tensors.get(name) ?? {};
        assert.ok(data instanceof Float32Array && shape);
        tensors.set(name, floatTensor([8, ...shape.slice(1)], Float32Array.of(...data, ...data)));
      }
    });
    await changeJson(join(folder, "unet/config.json"), { out_channels: 8 });
    await refuses(() => open(folder), /variance: the unet has 4 input channels but 8 output channels$/);
  });

  it("soft tokens in stages without cross-attention", async () => {
    const file = join(folders.sd15, "unet/config.json");
    const plain = { down_block_types: Array(4).fill("DownBlock2D") };
    const config = unetConfigSchema.parse({ ...(JSON.parse(await readFile(file, "utf8")) as object), ...plain });
    const pipeline = await openTiny("sd15");
    const denoiser = new UnetDenoiser(engine, {
      ...{ family: "sd15", stages: ["down"], config, weights: { origin: "x", tensors: new Map(), metadata: {} } },
      ...{ scheduler: pipeline.scheduler, textLength: 77, scaleFactor: 8 },
    });
    const options = { images: 1, latentShape: [4, 8, 8], guided: false };
    const softTokens = { shape: [1, 1, 32], stages: ["down"] } as const;
    const message = /^this UNet reads no text in the stages of the soft tokens \(down\)$/;
    await refuses(() => compileGuidedDenoiser(denoiser, { ...options, softTokens }), message);
  });

  it("any values in a configuration in at most one line", async () => {
    for (const file of ["unet/config.json", "scheduler/scheduler_config.json"]) {
      const keys = Object.keys(JSON.parse(await readFile(join(folders.sd15, file), "utf8")) as object);
      for (const key of someOf(keys)) {
        for (const value of [7, [[]]]) await survives(() => opened("sd15", file, { [key]: value }));
      }
    }
  });
});

it("reads Python's infinities as null", async () => {
  const path = join(folders.sd15, "scheduler/scheduler_config.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace("{", '{ "lambda_min_clipped": -Infinity, "note": "NaN, Infinity",'));
  assert.equal((await open(folders.sd15)).family, "sd15");
  await writeFile(path, text.replace('"beta_end": 0.012', '"beta_end": NaN'));
  await refuses(() => open(folders.sd15), /beta_end: /);
  await writeFile(path, text);
});
