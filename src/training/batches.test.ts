import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InputError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { type CaptionedImage, imageFile } from "../data/captioned-image.js";
import { BatchSampler, type TrainingPair } from "./batches.js";

/** Images named by number; captions by the list. */
const images = (...captions: (string | string[])[]): CaptionedImage[] =>
  captions.map((caption, index) => ({ ...imageFile(`${index}.png`), captions: [caption].flat() }));
const distinct = (count: number) => images(...Array.from({ length: count }, (_, index) => `caption ${index}`));

function draw(items: readonly CaptionedImage[], size: number, batches: number, seed = 1): TrainingPair[][] {
  const sampler = new BatchSampler(items, size, new Generator(seed));
  return Array.from({ length: batches }, () => sampler.next());
}

function assertNoneTwice(batch: readonly TrainingPair[]): void {
  assert.equal(new Set(batch.map(({ image }) => image.id)).size, batch.length, "one image twice");
  assert.equal(new Set(batch.map(({ caption }) => caption)).size, batch.length, "one caption twice");
}

describe("BatchSampler", () => {
  it("gives every image once an epoch, in a new order each time", () => {
    const drawn = draw(distinct(12), 4, 9).flat();
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

  it("gives every image as often as any other where batches do not divide the epoch", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.integer({ min: 0, max: 20 }),
        fc.nat(1000),
        (size, more, seed) => {
          const count = size + more;
          const drawn = draw(distinct(count), size, count * 2, seed);
          drawn.forEach(assertNoneTwice);
          assert.ok(drawn.every((batch) => batch.length === size));
          const times = new Map<string, number>();
          for (const { image } of drawn.flat()) times.set(image.id, (times.get(image.id) ?? 0) + 1);
          assert.deepEqual([...times.values()], Array(count).fill(2 * size));
        },
      ),
      { numRuns: 50 },
    );
  });

  it("never puts equal captions or images into one batch", () => {
    const items = images("a cat", "a dog", ["a cat", "a bird"], "a cat", ["a dog", "a fish"], "a tree");
    for (let seed = 0; seed < 20; seed++) draw(items, 3, 40, seed).forEach(assertNoneTwice);
    // One image under two names in the list would be a false negative too.
    const twice = [...distinct(4), { ...imageFile("0.png"), captions: ["something else"] }];
    for (let seed = 0; seed < 20; seed++) draw(twice, 4, 20, seed).forEach(assertNoneTwice);
  });

  it("lets all variants of a caption come up", () => {
    const drawn = draw(images(["a", "b", "c"], "x"), 2, 60).flat();
    assert.deepEqual(new Set(drawn.map(({ caption }) => caption)), new Set(["a", "b", "c", "x"]));
  });

  it("draws the same batches for the same seed", () => {
    const items = distinct(10);
    assert.deepEqual(draw(items, 3, 12, 7), draw(items, 3, 12, 7));
    assert.notDeepEqual(draw(items, 3, 12, 7), draw(items, 3, 12, 8));
  });

  it("uses the rare captions again while frequent ones wait, without losing any", () => {
    const drawn = draw(images("same", "same", "same", "other"), 2, 30);
    drawn.forEach(assertNoneTwice);
    const times = new Map<string, number>();
    for (const { image } of drawn.flat()) times.set(image.id, (times.get(image.id) ?? 0) + 1);
    assert.equal(times.get("3.png"), 30);
    assert.deepEqual(
      ["0.png", "1.png", "2.png"].map((file) => times.get(file)),
      [10, 10, 10],
    );
  });

  it("takes a large data set of mostly one caption", () => {
    const same = Array.from({ length: 200_000 }, (_, index) => ({ ...imageFile(`${index}.jpg`), captions: ["same"] }));
    draw([...same, ...images("other")], 2, 2).forEach(assertNoneTwice);
  });

  it("says so where there are too few different captions", () => {
    const cases: [CaptionedImage[], number][] = [
      [distinct(3), 4],
      [images("a", "a", "a", "a"), 2],
      [[], 2],
      [images(["a", "b", "c"]), 2],
    ];
    for (const [items, size] of cases) {
      assert.throws(
        () => draw(items, size, 1),
        (error) =>
          error instanceof InputError &&
          new RegExp(`^a batch of ${size} needs as many images with different captions, the data set gives`).test(
            error.message,
          ),
      );
    }
  });
});
