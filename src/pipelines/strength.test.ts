import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "../core/random.js";
import { compileGuidedDenoiser } from "../sampling/guided-denoiser.js";
import { openTiny } from "../testing/pipelines/support.js";

describe("soft tokens at a strength", async () => {
  const pipeline = await openTiny("sd35");
  const { conditioning } = await pipeline.encodePrompts(["", "a cat"]);
  const random = new Generator(3);
  const latentShape = [pipeline.latentChannels, 8, 8];
  const softTokens = random.normal([2, 3, pipeline.softTokenLayout.projectedWidth]);
  const sample = random.normal([1, ...latentShape]);

  async function predict(strength: number): Promise<Float32Array> {
    const options = {
      images: 1,
      latentShape,
      guided: true,
      softTokens: { shape: softTokens.shape, stages: null },
      strength,
    };
    const denoiser = await compileGuidedDenoiser(pipeline, options);
    // At strength 0 the graph has no input for soft tokens.
    const soft = strength === 0 ? null : softTokens;
    const feeds = { sample, timestep: 400, conditioning, softTokens: soft, guidanceScale: 3 };
    const { data } = await denoiser.run(feeds);
    await denoiser.release();
    return data;
  }

  it("interpolate the predictions with and without them, for tokens of any magnitude", async () => {
    const [base, quarter, soft] = [await predict(0), await predict(0.25), await predict(1)];
    const largest = Math.max(...soft.map((x, i) => Math.abs(x - (base[i] ?? 0))));
    assert.ok(largest > 1e-2, `soft tokens change ${largest}`);
    for (const [i, mixed] of quarter.entries()) {
      assert.ok(Math.abs(mixed - (0.75 * (base[i] ?? 0) + 0.25 * (soft[i] ?? 0))) < 1e-5);
    }
  });
});
