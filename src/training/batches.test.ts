import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InputError } from "../core/errors.js";
import { type CaptionedImage, imageFile } from "../data/captioned-image.js";
import { mixPools } from "../data/mixture.js";
import { repetitions } from "../testing/core/repetitions.js";
import { BatchSampler, type TrainingPair } from "./batches.js";

/** Images named by their index, with the given captions. */
const images = (...captions: (string | string[])[]): CaptionedImage[] =>
  captions.map((caption, index) => ({ ...imageFile(`${index}.png`), captions: [caption].flat() }));
const distinct = (count: number) => images(...Array.from({ length: count }, (_, index) => `caption ${index}`));

function sampleBatches(items: readonly CaptionedImage[], size: number, batches: number, seed = 1): TrainingPair[][] {
  const sampler = new BatchSampler([{ items, share: 1 }], { size, seed });
  return Array.from({ length: batches }, () => sampler.next());
}

function assertDistinct(batch: readonly TrainingPair[]): void {
  assert.equal(new Set(batch.map(({ image }) => image.id)).size, batch.length, "duplicate image");
  assert.equal(new Set(batch.map(({ caption }) => caption)).size, batch.length, "duplicate caption");
}

describe("BatchSampler", () => {
  it("returns every image once per epoch, in a new order each time", () => {
    const drawn = sampleBatches(distinct(12), 4, 9).flat();
    const epochs = [0, 12, 24].map((start) => drawn.slice(start, start + 12).map(({ image }) => image.id));
    for (const epoch of epochs)
      assert.deepEqual(
        epoch.toSorted(),
        distinct(12)
          .map(({ id }) => id)
          .toSorted(),
      );
    assert.notDeepEqual(epochs[0], epochs[1]);
    assert.notDeepEqual(epochs[1], epochs[2]);
  });

  it("returns all images equally often if batches do not divide the epoch", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.integer({ min: 0, max: 20 }),
        fc.nat(1000),
        (size, more, seed) => {
          const count = size + more;
          const drawn = sampleBatches(distinct(count), size, count * 2, seed);
          drawn.forEach(assertDistinct);
          assert.ok(drawn.every((batch) => batch.length === size));
          const times = new Map<string, number>();
          for (const { image } of drawn.flat()) times.set(image.id, (times.get(image.id) ?? 0) + 1);
          assert.deepEqual([...times.values()], Array(count).fill(2 * size));
        },
      ),
      { numRuns: 50 },
    );
  });

  it("never repeats a caption or image within a batch", () => {
    const items = images("a cat", "a dog", ["a cat", "a bird"], "a cat", ["a dog", "a fish"], "a tree");
    for (let seed = 0; seed < 20; seed++) sampleBatches(items, 3, 40, seed).forEach(assertDistinct);
    // The same image twice in the list would be a false negative too.
    const twice = [...distinct(4), { ...imageFile("0.png"), captions: ["something else"] }];
    for (let seed = 0; seed < 20; seed++) sampleBatches(twice, 4, 20, seed).forEach(assertDistinct);
  });

  it("uses all captions of an image", () => {
    const drawn = sampleBatches(images(["a", "b", "c"], "x"), 2, 60).flat();
    assert.deepEqual(new Set(drawn.map(({ caption }) => caption)), new Set(["a", "b", "c", "x"]));
  });

  it("returns the same batches for the same seed", () => {
    const items = distinct(10);
    assert.deepEqual(sampleBatches(items, 3, 12, 7), sampleBatches(items, 3, 12, 7));
    assert.notDeepEqual(sampleBatches(items, 3, 12, 7), sampleBatches(items, 3, 12, 8));
  });

  it("repeats rare captions while frequent ones wait, without losing any", () => {
    const drawn = sampleBatches(images("same", "same", "same", "other"), 2, 30);
    drawn.forEach(assertDistinct);
    const times = new Map<string, number>();
    for (const { image } of drawn.flat()) times.set(image.id, (times.get(image.id) ?? 0) + 1);
    assert.equal(times.get("3.png"), 30);
    assert.deepEqual(
      ["0.png", "1.png", "2.png"].map((file) => times.get(file)),
      [10, 10, 10],
    );
  });

  it("never puts captions into one batch that differ only in case, punctuation or articles", () => {
    const items = images("A cat.", "the cat", "a dog", "a bird!", "bird");
    for (let seed = 0; seed < 20; seed++) {
      for (const batch of sampleBatches(items, 3, 20, seed)) {
        const words = batch.map(({ caption }) => caption.replace(/^(a|the) |[.!]/gi, "").toLowerCase());
        assert.equal(new Set(words).size, 3, words.join());
      }
    }
  });

  it("resumes from its state with the same batches", () => {
    const items = images(...Array.from({ length: 9 }, (_, index) => (index % 3 === 0 ? "same" : `${index}`)), [
      "x",
      "y",
    ]);
    const pools = mixPools([
      { items, weight: undefined },
      { items: images("left of it", "two", "three").map((image) => ({ ...image, id: `b${image.id}` })), weight: 0.3 },
    ]);
    const settings = { size: 4, seed: 3, augmentation: { crop: "random", flip: true } } as const;
    fc.assert(
      fc.property(fc.nat(40), (before) => {
        const sampler = new BatchSampler(pools, settings);
        for (let i = 0; i < before; i++) sampler.next();
        const state = JSON.parse(JSON.stringify(sampler.state()));
        assert.deepEqual(state, { seed: 3, batches: before });
        const again = new BatchSampler(pools, settings, state);
        for (let i = 0; i < 10; i++) assert.deepEqual(again.next(), sampler.next());
        assert.deepEqual(again.state(), sampler.state());
      }),
      { numRuns: 20 },
    );
    assert.throws(() => new BatchSampler(pools, { ...settings, seed: 4 }, { seed: 3, batches: 1 }), InputError);
  });

  it("samples data sets by their share, and the images of each equally often", () => {
    const named = (name: string, count: number) =>
      distinct(count).map((image) => ({ ...image, id: `${name}${image.id}`, captions: [`${name} ${image.id}`] }));
    const pools = mixPools([
      { items: named("a", 30), weight: undefined },
      { items: named("b", 10), weight: 0.6 },
      { items: named("c", 10), weight: undefined },
    ]);
    const sampler = new BatchSampler(pools, { size: 4, seed: 1 });
    const drawn = Array.from({ length: 1000 }, () => sampler.next()).flat();
    const times = new Map<string, number>();
    for (const { image } of drawn) times.set(image.id, (times.get(image.id) ?? 0) + 1);
    const share = drawn.filter(({ image }) => image.id.startsWith("b")).length / drawn.length;
    assert.ok(Math.abs(share - 0.6) < 0.03, `${share}`);
    for (const pool of ["b", "ac"]) {
      const counts = [...times].filter(([id]) => pool.includes(id.charAt(0))).map(([, count]) => count);
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 2, `${counts}`);
    }
  });

  it("fills a batch from other data sets if one is too small for its share", () => {
    const small = [{ ...imageFile("small.png"), captions: ["small"] }];
    const pools = mixPools([
      { items: distinct(10), weight: 0.01 },
      { items: small, weight: 0.99 },
    ]);
    const sampler = new BatchSampler(pools, { size: 4, seed: 1 });
    for (let i = 0; i < 50; i++) {
      const batch = sampler.next();
      assertDistinct(batch);
      assert.equal(batch.filter(({ image }) => image.id === "small.png").length, 1);
    }
  });

  it("samples crops and flips from the seed, without flips for captions with left or right", () => {
    const items = images(
      ...Array.from({ length: 20 }, (_, index) => `${index} cats ${index % 2 ? "" : "on the left"}`),
    );
    const augmentation = { crop: "random", flip: true } as const;
    const run = (seed: number) => {
      const sampler = new BatchSampler([{ items, share: 1 }], { size: 4, seed, augmentation });
      return Array.from({ length: 50 }, () => sampler.next()).flat();
    };
    const drawn = run(5);
    assert.deepEqual(run(5), drawn);
    const flipped = drawn.filter(({ view }) => view.flip);
    assert.ok(flipped.length > 20 && flipped.length < 80, `${flipped.length} of 100`);
    assert.ok(flipped.every(({ caption }) => !caption.includes("left")));
    assert.ok(drawn.every(({ view }) => view.crop !== "center" && view.crop.x >= 0 && view.crop.y < 1));
  });

  it("handles a large data set in which nearly all captions are equal", () => {
    const same = Array.from({ length: repetitions(200_000) }, (_, index) => ({
      ...imageFile(`${index}.jpg`),
      captions: ["same"],
    }));
    sampleBatches([...same, ...images("other")], 2, 2).forEach(assertDistinct);
  });

  it("rejects a data set with too few different captions", () => {
    const cases: [CaptionedImage[], number][] = [
      [distinct(3), 4],
      [images("a", "a", "a", "a"), 2],
      [[], 2],
      [images(["a", "b", "c"]), 2],
    ];
    for (const [items, size] of cases) {
      assert.throws(
        () => sampleBatches(items, size, 1),
        (error) =>
          error instanceof InputError &&
          new RegExp(
            `^a batch of ${size} needs as many images with different captions, but the data set has only`,
          ).test(error.message),
      );
    }
  });
});
