import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openTiny } from "../testing/pipelines/support.js";
import { SamplingCache } from "./sampling-cache.js";

describe("SamplingCache.lease", async () => {
  const pipeline = await openTiny("sd15");
  const request = (images: number) => ({
    images,
    latentShape: [4, 8, 8],
    guided: false,
    softTokens: null,
    strength: 1,
  });

  it("keeps a leased sampler compiled, whatever else is used in the meantime", async (t) => {
    const cache = new SamplingCache(pipeline, { samplers: 1 });
    const { sampler, release } = await cache.lease(request(1));
    await cache.withSampler(request(2), async () => {});
    await cache.withSampler(request(3), async () => {});
    const compile = t.mock.method(pipeline.engine, "compile");
    await cache.withSampler(request(1), async (again) => assert.equal(again, sampler));
    assert.equal(compile.mock.callCount(), 0);
    await release();
    await cache.withSampler(request(2), async () => {});
    await cache.withSampler(request(1), async (again) => assert.notEqual(again, sampler));
    await cache.close();
  });
  it("compiles again after a failure", async (t) => {
    const cache = new SamplingCache(pipeline);
    const compile = t.mock.method(pipeline.engine, "compile", async () => {
      throw new RangeError("no memory");
    });
    await assert.rejects(cache.lease(request(1)), RangeError);
    compile.mock.restore();
    await (await cache.lease(request(1))).release();
    await cache.close();
  });
});
