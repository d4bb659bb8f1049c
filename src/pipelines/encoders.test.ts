import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Abortable, InterruptedError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { concatRows, floatTensor, rows } from "../core/tensor.js";
import type { Session } from "../runtime/engine.js";
import { noisySample } from "../schedulers/index.js";
import { abortedAtCheck } from "../testing/core/signals.js";
import { captions, largestDifference, openTiny } from "../testing/pipelines/support.js";
import { conditioningAt, joinConditioning, selectConditioning } from "./conditioning.js";
import { paddedBatches } from "./padded-batches.js";
import { SessionCache } from "./session-cache.js";

describe("rows of a conditioning", () => {
  const two = {
    states: floatTensor([2, 1, 2], Float32Array.of(1, 2, 3, 4)),
    pooled: floatTensor([2, 1], Float32Array.of(5, 6)),
  };
  it("can be selected, repeatedly too, and joined", () => {
    assert.deepEqual(selectConditioning(two, [1, 0, 1]), {
      states: floatTensor([3, 1, 2], Float32Array.of(3, 4, 1, 2, 3, 4)),
      pooled: floatTensor([3, 1], Float32Array.of(6, 5, 6)),
    });
    assert.deepEqual(joinConditioning([conditioningAt(two, 0), conditioningAt(two, 1)]), two);
    assert.throws(() => selectConditioning(two, [2]), RangeError);
  });
});

describe("paddedBatches", () => {
  it("pads the last batch with its last item", () => {
    assert.deepEqual(
      [...paddedBatches([1, 2, 3, 4, 5], 3)],
      [
        { batch: [1, 2, 3], real: 3 },
        { batch: [4, 5, 5], real: 2 },
      ],
    );
    assert.deepEqual([...paddedBatches([], 3)], []);
  });
});

describe("SessionCache", () => {
  /** A session that only counts. */
  const counting = () => {
    const counts = { built: 0, released: 0 };
    const build = async (): Promise<Session> => {
      counts.built++;
      const release = async () => {
        counts.released++;
      };
      return { inputs: [], outputs: [], run: async () => ({}), release, [Symbol.asyncDispose]: release };
    };
    return { counts, build };
  };
  it("builds each session once, even for concurrent calls, and again after a release", async () => {
    const { counts, build } = counting();
    const cache = new SessionCache();
    const [one, other] = await Promise.all([cache.get("a", build), cache.get("a", build)]);
    assert.equal(one, other);
    await cache.get("b", build);
    assert.deepEqual(counts, { built: 2, released: 0 });
    await cache.release("a");
    assert.deepEqual(counts, { built: 2, released: 1 });
    await cache.get("a", build);
    await cache.release();
    assert.deepEqual(counts, { built: 3, released: 3 });
  });
  it("does not cache a failure", async () => {
    const { build } = counting();
    const cache = new SessionCache();
    const fault = new Error("no memory");
    await assert.rejects(() => cache.get("a", () => Promise.reject(fault)), fault);
    await cache.get("a", build);
    await cache.release();
  });
});

describe("a pipeline's encoders", async () => {
  const pipeline = await openTiny("sd3");
  const { conditioning } = await pipeline.encodePrompts(captions);

  it("encode a prompt the same alone and in a batch", async () => {
    const five = [...captions, "a dog"];
    const together = (await pipeline.encodePrompts(five)).conditioning;
    for (const [index, prompt] of five.entries()) {
      const alone = (await pipeline.encodePrompts([prompt])).conditioning;
      for (const name of ["prompt_embeds", "pooled"]) {
        const [one, all] = [alone[name], together[name]];
        assert.ok(one && all && largestDifference(one, rows(all, index, index + 1)) < 1e-5, `${prompt} ${name}`);
      }
    }
  });

  it("report truncated prompts per encoder", async () => {
    const words = Array.from({ length: 60 }, (_, index) => `word${index}`).join(" ");
    const { truncated } = await pipeline.encodePrompts(["a cat", words]);
    assert.deepEqual(
      truncated.map(({ prompt, encoder, limit }) => [prompt, encoder, limit]),
      [
        [words, "CLIP", 77],
        [words, "T5", 24],
      ],
    );
    for (const { cut } of truncated) assert.match(cut, /5 ?9$/);
  });

  it("work again after a release", async () => {
    await pipeline.releaseEncoders();
    assert.deepEqual((await pipeline.encodePrompts(captions)).conditioning, conditioning);
  });

  it("encode images of any supported size, alone as in a batch, and decode them to the same size", async () => {
    const images = new Generator(2).normal([2, 3, 24, 40]);
    const latents = await pipeline.encodeImages(images);
    assert.deepEqual(latents.shape, [2, 16, 6, 10]);
    const apart = [await pipeline.encodeImages(rows(images, 0, 1)), await pipeline.encodeImages(rows(images, 1, 2))];
    assert.deepEqual(latents, concatRows(apart));
    assert.deepEqual((await pipeline.decodeLatents(latents)).shape, [2, 3, 24, 40]);
  });

  it("stop before the next run when the signal is aborted", async () => {
    for (const work of [
      (options: Abortable) => pipeline.encodePrompts([...captions, ...captions, "x"], options),
      (options: Abortable) => pipeline.encodeImages(floatTensor([3, 3, 8, 8]), options),
      (options: Abortable) => pipeline.decodeLatents(floatTensor([3, 16, 2, 2]), options),
    ]) {
      const { signal, checks } = abortedAtCheck(3);
      await assert.rejects(() => work({ signal }), InterruptedError);
      assert.equal(checks(), 3);
    }
  });

  it("make noisy samples and velocities by rectified flow with one noise for all images", () => {
    const latents = floatTensor([2, 1, 1, 2], Float32Array.of(1, 2, 3, 4));
    const noise = floatTensor([1, 1, 1, 2], Float32Array.of(10, 20));
    const { sample, target } = noisySample(pipeline.scheduler, latents, noise, 250);
    assert.deepEqual([...sample.data], [0.75 + 2.5, 1.5 + 5, 2.25 + 2.5, 3 + 5]);
    assert.deepEqual([...target.data], [9, 18, 7, 16]);
  });
});
