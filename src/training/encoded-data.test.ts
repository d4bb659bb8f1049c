import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import sharp from "sharp";
import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { concatRows, type FloatTensor, floatTensor } from "../core/tensor.js";
import { imageFile } from "../data/captioned-image.js";
import type { TruncatedPrompt } from "../pipelines/pipeline.js";
import type { TrainingPair } from "./batches.js";
import { EncodedData, type Encoders } from "./encoded-data.js";

const folder = await mkdtemp(join(tmpdir(), "softrepa-encoded-"));
after(() => rm(folder, { recursive: true, force: true }));

/** A grey image, named by its level. */
async function grey(level: number): Promise<string> {
  const file = join(folder, `${level}.png`);
  const background = { r: level, g: level, b: level };
  await sharp({ create: { width: 20, height: 12, channels: 3, background } })
    .png()
    .toFile(file);
  return file;
}
const files = await Promise.all([0, 51, 102, 153, 204].map(grey));

/** Encodes an image as its first pixel and a caption as its length; records all calls. */
class CountingEncoders implements Encoders {
  readonly conditioningShapes = { states: [2] };
  readonly latentChannels = 1;
  readonly vaeScaleFactor = 8;
  released = 0;
  readonly images: FloatTensor[] = [];
  readonly prompts: string[][] = [];

  async encodeImages(images: FloatTensor): Promise<FloatTensor> {
    this.images.push(images);
    return floatTensor([at(images.shape, 0), 1], Float32Array.of(at(images.data, 0)));
  }

  async releaseEncoders() {
    this.released++;
  }

  async encodePrompts(prompts: readonly string[]) {
    this.prompts.push([...prompts]);
    const states = concatRows(prompts.map(({ length }) => floatTensor([1, 2], Float32Array.of(length, -length))));
    const truncated: TruncatedPrompt[] = prompts
      .filter(({ length }) => length > 10)
      .map((prompt) => ({ prompt, encoder: "CLIP", limit: 10, cut: prompt.slice(10) }));
    return { conditioning: { states }, truncated };
  }
}

const middle = { crop: "center" } as const;
const pair = (image: number, caption: string) => ({ image: imageFile(at(files, image)), caption, view: middle });
const at8 = { resolution: 8, onTruncated: () => {} };

describe("EncodedData", () => {
  it("returns latents and embeddings in the order of the pairs, at the resolution", async () => {
    const encoders = new CountingEncoders();
    const data = new EncodedData(encoders, at8);
    const { latents, conditioning } = await data.encode([pair(4, "four"), pair(0, "a"), pair(2, "four")]);
    assert.deepEqual(
      [...latents.data].map((x) => x.toFixed(3)),
      [204, 0, 102].map((level) => (level / 127.5 - 1).toFixed(3)),
    );
    assert.deepEqual(conditioning.states, floatTensor([3, 2], Float32Array.of(4, -4, 1, -1, 4, -4)));
    assert.deepEqual(
      encoders.images.map(({ shape }) => shape),
      Array(3).fill([1, 3, 8, 8]),
    );
  });

  it("encodes every image and every caption once", async () => {
    const encoders = new CountingEncoders();
    const data = new EncodedData(encoders, at8);
    const first = await data.encode([pair(0, "a"), pair(1, "b b")]);
    await data.encode([pair(1, "a"), pair(2, "c c c")]);
    assert.deepEqual(await data.encode([pair(0, "a"), pair(1, "b b")]), first);
    assert.equal(encoders.images.length, 3);
    // One per call, so that an embedding does not depend on other captions.
    assert.deepEqual(encoders.prompts, [["a"], ["b b"], ["c c c"]]);
  });

  it("evicts the oldest encodings beyond its limit, and encodes them again with the same result", async () => {
    const encoders = new CountingEncoders();
    // Half for images, 4 bytes each; half for captions, 8 bytes each: two images, one caption.
    const data = new EncodedData(encoders, { ...at8, limit: 16 });
    const first = await data.encode([pair(0, "a")]);
    await data.encode([pair(1, "bb")]);
    await data.encode([pair(2, "ccc")]);
    assert.deepEqual([encoders.images.length, encoders.prompts.length], [3, 3]);
    // Image 1 and caption ccc are cached, image 0 and caption a are not.
    await data.encode([pair(1, "ccc")]);
    assert.deepEqual([encoders.images.length, encoders.prompts.length], [3, 3]);
    assert.deepEqual(await data.encode([pair(0, "a")]), first);
    assert.deepEqual([encoders.images.length, encoders.prompts.length], [4, 4]);
  });

  it("works without any cache, also within one batch", async () => {
    const encoders = new CountingEncoders();
    const data = new EncodedData(encoders, { ...at8, limit: 0 });
    const pairs = [pair(0, "a"), pair(1, "bb"), pair(2, "ccc"), pair(3, "a")];
    const first = await data.encode(pairs);
    assert.deepEqual(first.conditioning.states?.data, Float32Array.of(1, -1, 2, -2, 3, -3, 1, -1));
    assert.deepEqual(await data.encode(pairs), first);
  });

  it("reports a truncated caption when it is first encoded", async () => {
    const cuts: string[] = [];
    const data = new EncodedData(new CountingEncoders(), { ...at8, onTruncated: ({ cut }) => cuts.push(cut) });
    await data.encode([pair(0, "a caption that is long"), pair(1, "short")]);
    await data.encode([pair(0, "a caption that is long"), pair(1, "short")]);
    assert.deepEqual(cuts, ["that is long"]);
  });

  it("caches an image and its mirror image separately, and no random crops", async () => {
    const encoders = new CountingEncoders();
    const data = new EncodedData(encoders, at8);
    const image = imageFile(join(folder, "sides.png"));
    const sides = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => (Math.floor(i / 3) % 8 < 4 ? 0 : 255));
    await sharp(sides, { raw: { width: 8, height: 8, channels: 3 } })
      .png()
      .toFile(image.id);
    const views = [middle, { ...middle, flip: true }, middle, { ...middle, flip: true }];
    const { latents } = await data.encode(views.map((view) => ({ image, caption: "x", view })));
    assert.deepEqual([...latents.data], [-1, 1, -1, 1]);
    assert.equal(encoders.images.length, 2);
    const view = { crop: { x: 0.5, y: 0.5 } };
    await data.encode(Array(3).fill({ image, caption: "x", view }));
    assert.equal(encoders.images.length, 5);
  });

  it("rejects an unreadable image by name", async () => {
    const data = new EncodedData(new CountingEncoders(), at8);
    const file = join(folder, "broken.png");
    await writeFile(file, "no image at all");
    await assert.rejects(
      () => data.encode([{ image: imageFile(file), caption: "x", view: middle }]),
      (error) => error instanceof InputError && error.message.includes(file),
    );
  });

  it("encodes a window of batches ahead and frees the encoders", async () => {
    const encoders = new CountingEncoders();
    const data = new EncodedData(encoders, { ...at8, window: 2 });
    const batches = [
      [pair(0, "a"), pair(1, "bb")],
      [pair(0, "bb"), pair(2, "c c")],
      [pair(3, "new"), pair(1, "a")],
    ];
    const progress: string[] = [];
    const count = await data.prepare(from(batches), { onProgress: (done, total) => progress.push(`${done}/${total}`) });
    assert.deepEqual([count, encoders.images.length, encoders.prompts.length, encoders.released], [2, 3, 3, 1]);
    assert.deepEqual(progress, ["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]);
    for (const batch of batches.slice(0, 2)) {
      assert.deepEqual(await data.encode(batch), await new EncodedData(new CountingEncoders(), at8).encode(batch));
    }
    assert.deepEqual([encoders.images.length, encoders.prompts.length], [3, 3]);
    // The third batch has one image and one caption that are new.
    assert.equal(await data.prepare(from(batches.slice(2))), 1);
    assert.deepEqual([encoders.images.length, encoders.prompts.length, encoders.released], [4, 4, 2]);
    assert.equal(await data.prepare(from([])), 0);
  });

  it("encodes as many batches ahead as fit into the limit, but at least one", async () => {
    const batches = Array.from({ length: 5 }, (_, index) => [pair(index, `caption ${index}`)]);
    // A caption takes 8 bytes, latents take 4; each has half of the limit.
    for (const [limit, wanted] of [
      [0, 1],
      [16, 1],
      [32, 2],
      [64, 4],
      [1000, 5],
    ]) {
      const data = new EncodedData(new CountingEncoders(), { ...at8, limit });
      assert.equal(await data.prepare(from(batches)), wanted, `${limit} bytes`);
    }
    const explicit = new EncodedData(new CountingEncoders(), { ...at8, limit: 0, window: 3 });
    assert.equal(await explicit.prepare(from(batches)), 3);
    // Encodings of the window are not evicted, whatever their size.
    const encoders = new CountingEncoders();
    const data = new EncodedData(encoders, { ...at8, limit: 0, window: 4 });
    await data.prepare(from(batches));
    for (const batch of batches.slice(0, 4)) await data.encode(batch);
    assert.deepEqual([encoders.images.length, encoders.prompts.length], [4, 4]);
  });

  it("keeps a random crop until it is used, and not longer", async () => {
    const encoders = new CountingEncoders();
    const data = new EncodedData(encoders, at8);
    const batch = [{ ...pair(0, "a"), view: { crop: { x: 0.25, y: 0.5 } } }];
    await data.prepare(from([batch]));
    const first = await data.encode(batch);
    assert.equal(encoders.images.length, 1);
    assert.deepEqual(await data.encode(batch), first);
    assert.equal(encoders.images.length, 2);
  });

  it("reports an unreadable image only in its own batch", async () => {
    const encoders = new CountingEncoders();
    const data = new EncodedData(encoders, at8);
    const file = join(folder, "broken too.png");
    await writeFile(file, "no image at all");
    const batches = [[pair(0, "a")], [{ image: imageFile(file), caption: "x", view: middle }], [pair(1, "b")]];
    assert.equal(await data.prepare(from(batches)), 3);
    await data.encode(at(batches, 0));
    await data.encode(at(batches, 2));
    assert.equal(encoders.images.length, 2);
    await assert.rejects(() => data.encode(at(batches, 1)), InputError);
  });
});

const from = (batches: readonly (readonly TrainingPair[])[]) => (limit: number) => batches.slice(0, limit);
