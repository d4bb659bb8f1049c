import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InterruptedError, UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor, rows } from "../core/tensor.js";
import { joinConditioning, selectConditioning } from "../pipelines/conditioning.js";
import type { TruncatedPrompt } from "../pipelines/pipeline.js";
import { SoftTokenEmbedding } from "../softtokens/embedding.js";
import { initialSoftTokens } from "../softtokens/initial.js";
import { captions, largestDifference, openTiny } from "../testing/pipelines/support.js";
import { type GenerateRequest, generate, type ImageJob } from "./generate.js";
import { compileGuidedDenoiser } from "./guided-denoiser.js";
import { sampleLatents } from "./sample.js";

function nth(images: readonly FloatTensor[], index: number): FloatTensor {
  const image = images[index];
  assert.ok(image);
  return image;
}

describe("sampling", async () => {
  const pipeline = await openTiny("sd3");
  const { conditioning } = await pipeline.encodePrompts(["", ...captions]);
  const tokens = initialSoftTokens(
    pipeline.softTokenLayout,
    { layers: 2, count: 2, buckets: 4, width: "projected" },
    new Generator(4),
  );

  const job = (prompt: string, seed: number): ImageJob => ({ prompt, seed });
  const request: GenerateRequest<ImageJob> = {
    jobs: [job(captions[0], 7)],
    negative: "",
    steps: 3,
    guidanceScale: 4,
    width: 32,
    height: 32,
    softTokens: null,
    strength: 1,
    batch: 1,
  };
  const images = async (changes: Partial<GenerateRequest<ImageJob>>): Promise<FloatTensor[]> => {
    const all: FloatTensor[] = [];
    for await (const { image } of generate(pipeline, { ...request, ...changes })) all.push(image);
    return all;
  };
  const imageOf = async (changes: Partial<GenerateRequest<ImageJob>>) => nth(await images(changes), 0);
  const plain = await imageOf({});

  it("repacks only the denoiser's weights, and only if requested", async (t) => {
    const compile = t.mock.method(pipeline.engine, "compile");
    const repacked = await imageOf({ repackWeights: true });
    assert.ok(largestDifference(repacked, plain) <= 1e-4);
    const models = compile.mock.calls.map(({ arguments: [model] }) => model);
    assert.deepEqual(
      models.filter(({ repacksWeights }) => repacksWeights).map(({ outputs }) => outputs.map(({ name }) => name)),
      [["prediction"]],
    );
    compile.mock.resetCalls();
    await images({});
    assert.ok(compile.mock.calls.every(({ arguments: [model] }) => !model.repacksWeights));
    assert.ok(compile.mock.callCount() > 0);
  });

  describe("the guided denoiser", () => {
    const sample = new Generator(9).normal([2, 16, 8, 8]);
    const latentShape = [16, 8, 8];
    /** Without guidance: one prompt per image. */
    const unguided = async (texts: number[], softTokens: FloatTensor | null) => {
      const form = softTokens && { shape: softTokens.shape, stages: null };
      const denoiser = await compileGuidedDenoiser(pipeline, {
        images: 2,
        latentShape,
        guided: false,
        softTokens: form,
      });
      const picked = selectConditioning(conditioning, texts);
      const result = await denoiser.run({ sample, timestep: 400, conditioning: picked, softTokens, guidanceScale: 9 });
      await denoiser.release();
      return result;
    };

    it("is negative + scale * (positive - negative), with soft tokens in both branches", async () => {
      const embedding = await SoftTokenEmbedding.open(pipeline, tokens);
      for (const softTokens of [null, await embedding.at(400)]) {
        const [negative, positive] = [await unguided([0, 0], softTokens), await unguided([1, 2], softTokens)];
        const options = {
          images: 2,
          latentShape,
          guided: true,
          softTokens: softTokens && { shape: softTokens.shape, stages: null },
        };
        const denoiser = await compileGuidedDenoiser(pipeline, options);
        const both = joinConditioning([
          selectConditioning(conditioning, [0, 0]),
          selectConditioning(conditioning, [1, 2]),
        ]);
        for (const guidanceScale of [1, 4, 0]) {
          const feeds = { sample, timestep: 400, conditioning: both, softTokens, guidanceScale };
          const guided = await denoiser.run(feeds);
          const expected = negative.data.map((n, i) => n + guidanceScale * ((positive.data[i] ?? 0) - n));
          assert.ok(largestDifference(guided, { data: expected }) < 1e-4);
        }
        await denoiser.release();
      }
      await embedding.release();
    });

    it("accepts one guidance scale per image", async () => {
      const denoiser = await compileGuidedDenoiser(pipeline, {
        images: 2,
        latentShape,
        guided: true,
        softTokens: null,
      });
      const feeds = {
        sample,
        timestep: 400,
        conditioning: selectConditioning(conditioning, [0, 0, 1, 2]),
        softTokens: null,
      };
      const [low, high, own] = [
        await denoiser.run({ ...feeds, guidanceScale: 2 }),
        await denoiser.run({ ...feeds, guidanceScale: 5 }),
        await denoiser.run({ ...feeds, guidanceScale: [2, 5] }),
      ];
      assert.deepEqual([rows(own, 0, 1), rows(own, 1, 2)], [rows(low, 0, 1), rows(high, 1, 2)]);
      await assert.rejects(denoiser.run({ ...feeds, guidanceScale: [2] }), { name: "InputError" });
      await denoiser.release();
    });
  });

  it("returns the same image for the same seed, and another for another seed or prompt", async () => {
    const all = await images({ jobs: [job(captions[0], 7), job(captions[0], 8), job(captions[1], 7)] });
    assert.deepEqual(all[0], plain);
    assert.ok(largestDifference(nth(all, 1), plain) > 0.01);
    assert.ok(largestDifference(nth(all, 2), plain) > 1e-4);
  });

  it("returns the images in the order of their jobs, nearly the same for any batch size", async () => {
    const jobs = [job(captions[0], 7), job(captions[1], 1), job(captions[2], 2), job(captions[0], 3)];
    const progress: number[][] = [];
    const apart = await images({ jobs });
    const together = await images({ jobs, batch: 3, onProgress: (done, total) => progress.push([done, total]) });
    assert.equal(together.length, 4);
    for (const [index, image] of together.entries()) assert.ok(largestDifference(image, nth(apart, index)) < 1e-4);
    assert.deepEqual(
      progress.map(([done]) => done),
      [3, 6, 9, 10, 11, 12],
    );
    assert.ok(progress.every(([, total]) => total === 12));
  });

  it("ignores soft tokens at strength 0, and returns other images at half and full strength", async () => {
    const at = (strength: number) => imageOf({ softTokens: tokens, strength });
    assert.deepEqual(await at(0), plain);
    const [half, whole] = [await at(0.5), await at(1)];
    assert.ok(largestDifference(half, plain) > 1e-3);
    assert.ok(largestDifference(whole, plain) > 1e-3);
    assert.ok(largestDifference(whole, half) > 1e-3);
    assert.deepEqual(await at(1), whole);
  });

  it("uses the negative prompt, except at a guidance scale of 1 or less", async () => {
    const away = await imageOf({ negative: captions[2] });
    assert.ok(largestDifference(away, plain) > 1e-4);
    const unguided = await imageOf({ guidanceScale: 1 });
    assert.ok(largestDifference(unguided, plain) > 1e-4);
    assert.deepEqual(await imageOf({ guidanceScale: 1, negative: captions[2] }), unguided);
    assert.deepEqual(await imageOf({ guidanceScale: 0.5 }), unguided);
  });

  it("generates images that are not square", async () => {
    const wide = await imageOf({ width: 64, height: 24 });
    assert.deepEqual(wide.shape, [3, 24, 64]);
    const tall = await imageOf({ width: 24, height: 64 });
    assert.deepEqual(tall.shape, [3, 64, 24]);
  });

  it("rejects sizes that do not fit", async () => {
    for (const [size, message] of [
      [{ width: 60 }, /^`width` 60 does not fit .*sd3.pipeline: it must be a multiple of 8$/],
      [{ height: 36 }, /^`height` 36 does not fit /],
      [{ width: 0 }, /^`width` 0 does not fit /],
      [{ height: -8 }, /^`height` -8 does not fit /],
    ] as const) {
      await assert.rejects(
        () => images(size),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    }
    await assert.rejects(() => images({ width: 104 }), /latents of 8 x 26 do not fit this transformer: .* at most 24$/);
  });

  it("reports a truncated prompt once per encoder", async () => {
    const long = Array.from({ length: 40 }, (_, index) => `word${index}`).join(" ");
    const cuts: TruncatedPrompt[] = [];
    await images({ jobs: [job(long, 1), job(long, 2)], steps: 1, onTruncated: (cut) => cuts.push(cut) });
    assert.deepEqual(
      cuts.map(({ encoder }) => encoder),
      ["CLIP", "T5"],
    );
  });

  it("stops before the next step if the signal is aborted, and keeps finished images", async () => {
    const stop = new AbortController();
    const done: FloatTensor[] = [];
    const jobs = [job(captions[0], 7), job(captions[0], 8)];
    await assert.rejects(async () => {
      const onProgress = (steps: number) => {
        if (steps === 4) stop.abort();
      };
      for await (const { image } of generate(pipeline, { ...request, jobs, signal: stop.signal, onProgress })) {
        done.push(image);
      }
    }, InterruptedError);
    assert.deepEqual(done, [plain]);
    await assert.rejects(() => images({ signal: AbortSignal.abort() }), InterruptedError);
  });

  it("samples with other schedulers, with noise per image", async () => {
    const unet = await openTiny("sd15");
    const imagesWith = async (name: string, batch: number): Promise<FloatTensor[]> => {
      const all: FloatTensor[] = [];
      const jobs = [job(captions[0], 7), job(captions[0], 8)];
      const progress: number[] = [];
      const scheduler = unet.schedulerNamed(name);
      const onProgress = (done: number) => progress.push(done);
      for await (const { image } of generate(unet, { ...request, jobs, batch, scheduler, onProgress })) all.push(image);
      assert.equal(progress.at(-1), 2 * scheduler.start(3).timesteps.length);
      return all;
    };
    const [apart, together] = [await imagesWith("euler-ancestral", 1), await imagesWith("euler-ancestral", 2)];
    for (const [index, image] of together.entries()) assert.ok(largestDifference(image, nth(apart, index)) < 1e-4);
    const [plms, euler] = [nth(await imagesWith("pndm", 1), 0), nth(await imagesWith("euler", 1), 0)];
    assert.ok(largestDifference(nth(apart, 0), euler) > 1e-3 && largestDifference(plms, euler) > 1e-3);
  });

  it("starts from the noise of the seed", async () => {
    const latents = await sampleLatents(pipeline, {
      shape: [1, 16, 8, 8],
      drawNoise: () => new Generator(7).normal([1, 16, 8, 8]),
      conditioning: selectConditioning(conditioning, [1]),
      negative: selectConditioning(conditioning, [0]),
      guidanceScale: 4,
      steps: 3,
      softTokens: null,
    });
    const image = rows(await pipeline.decodeLatents(latents), 0, 1);
    assert.ok(largestDifference(floatTensor([3, 32, 32], image.data), plain) < 1e-4);
  });
});
