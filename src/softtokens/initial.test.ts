import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import type { SoftTokenLayout } from "../pipelines/pipeline.js";
import { openTiny } from "../testing/pipelines/support.js";
import { createSoftTokens, initialSoftTokens } from "./initial.js";
import { requireFit, stagesOf } from "./softtokens.js";

const layout: SoftTokenLayout = {
  family: "sd3",
  placement: "prefix",
  layers: 24,
  rawWidth: 4096,
  projectedWidth: 1536,
  stages: null,
};
const sizes = { layers: 5, count: 4, buckets: 100, width: "projected" } as const;

describe("initial soft tokens", () => {
  it("have the requested sizes, and fit the pipeline", () => {
    const tokens = initialSoftTokens(layout, sizes, new Generator(0));
    assert.deepEqual(
      [tokens.tokens.shape, tokens.timeTable?.shape],
      [
        [5, 4, 1536],
        [100, 5 * 1536],
      ],
    );
    assert.deepEqual([tokens.placement, tokens.metadata], ["prefix", { "softrepa.family": "sd3" }]);
    requireFit(tokens, layout);
    const raw = initialSoftTokens(layout, { layers: 24, count: 1, buckets: 0, width: "raw" }, new Generator(0));
    assert.deepEqual([raw.tokens.shape, raw.timeTable], [[24, 1, 4096], null]);
    requireFit(raw, layout);
  });

  it("are normal with standard deviation 0.02", () => {
    const { tokens, timeTable } = initialSoftTokens(layout, sizes, new Generator(3));
    for (const { data } of [tokens, timeTable ?? tokens]) {
      const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
      const variance = data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length;
      assert.ok(Math.abs(mean) < 4 * (0.02 / Math.sqrt(data.length)), `mean ${mean}`);
      assert.ok(Math.abs(Math.sqrt(variance) / 0.02 - 1) < 0.03, `deviation ${Math.sqrt(variance)}`);
    }
  });

  it("are determined by the seed, with different values for tokens and table", () => {
    const make = (seed: number) => initialSoftTokens(layout, sizes, new Generator(seed));
    assert.deepEqual(make(1), make(1));
    assert.notDeepEqual(make(1).tokens, make(2).tokens);
    const { tokens, timeTable } = make(1);
    assert.notDeepEqual(timeTable?.data.subarray(0, 64), tokens.data.subarray(0, 64));
  });

  it("of a UNet have one layer, and name their stages", () => {
    const unet: SoftTokenLayout = {
      ...{
        family: "sdxl",
        placement: "after-first",
        layers: 1,
        rawWidth: 8,
        projectedWidth: 8,
        stages: ["down", "mid"],
      },
    };
    const one = { ...sizes, layers: 1 };
    const { tokens, timeTable, placement, metadata } = initialSoftTokens(unet, one, new Generator(0));
    const shapes = [tokens.shape, timeTable?.shape];
    assert.deepEqual(shapes, [
      [1, 4, 8],
      [100, 8],
    ]);
    assert.deepEqual(metadata, { "softrepa.family": "sdxl", "softrepa.stages": "down,mid" });
    assert.equal(placement, "after-first");
    const chosen = initialSoftTokens(unet, { ...one, stages: ["up"] }, new Generator(0));
    assert.deepEqual(stagesOf(chosen, unet), ["up"]);
    assert.throws(
      () => initialSoftTokens(unet, sizes, new Generator(0)),
      (error) => error instanceof UsageError && error.message === "`layers` 5 is more than the one that a UNet has",
    );
    assert.throws(
      () => initialSoftTokens(layout, { ...sizes, stages: ["up"] }, new Generator(0)),
      (error) => error instanceof UsageError && /^`stages` is for models with a UNet/.test(error.message),
    );
  });

  it("are limited to the number of the model's blocks", () => {
    assert.throws(
      () => initialSoftTokens(layout, { ...sizes, layers: 25 }, new Generator(0)),
      (error) => error instanceof UsageError && error.message === "`layers` 25 is more than the model's 24 blocks",
    );
  });
});

describe("createSoftTokens", () => {
  const one = { layers: 1, count: 3, buckets: 10, width: "projected" } as const;

  it("copies the first embedding of the empty prompt for Stable Diffusion 1, with a table of noise", async () => {
    const pipeline = await openTiny("sd15");
    const { tokens, timeTable } = await createSoftTokens(pipeline, one, new Generator(0));
    const first = (await pipeline.encodePrompts([""])).conditioning.prompt_embeds?.data.subarray(0, 32);
    for (let token = 0; token < 3; token++) assert.deepEqual(tokens.data.subarray(32 * token, 32 * token + 32), first);
    const noise = initialSoftTokens(pipeline.softTokenLayout, one, new Generator(0), first);
    assert.deepEqual(timeTable, noise.timeTable);
    assert.ok(Math.hypot(...(timeTable?.data ?? [])) > 0.1);
  });

  it("returns noise for other families", async () => {
    for (const family of ["sdxl", "sd3"] as const) {
      const pipeline = await openTiny(family);
      const made = await createSoftTokens(pipeline, one, new Generator(4));
      assert.deepEqual(made, initialSoftTokens(pipeline.softTokenLayout, one, new Generator(4)));
    }
  });
});
