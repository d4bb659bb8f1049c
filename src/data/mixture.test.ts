import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../core/errors.js";
import { imageFile } from "./captioned-image.js";
import { mixPools } from "./mixture.js";

const items = (name: string) => [{ ...imageFile(`${name}.png`), captions: [name] }];
const mixed = (...weights: (number | undefined)[]) =>
  mixPools(weights.map((weight, index) => ({ items: items(`${index}`), weight }))).map((pool) => [
    pool.items.map(({ id }) => id.replace(".png", "")).join(),
    Number(pool.share.toFixed(6)),
  ]);

test("makes one pool of all sets without weights", () => {
  assert.deepEqual(mixed(undefined), [["0", 1]]);
  assert.deepEqual(mixed(undefined, undefined), [["0,1", 1]]);
});

test("treats a weight as a share, and gives the rest to sets without one", () => {
  assert.deepEqual(mixed(undefined, 0.3), [
    ["1", 0.3],
    ["0", 0.7],
  ]);
  assert.deepEqual(mixed(undefined, 0.3, undefined, 0.5), [
    ["1", 0.3],
    ["3", 0.5],
    ["0,2", 0.2],
  ]);
});

test("normalises the weights if every set has one", () => {
  assert.deepEqual(mixed(2, 6), [
    ["0", 0.25],
    ["1", 0.75],
  ]);
  assert.deepEqual(mixed(0.3), [["0", 1]]);
});

test("rejects weights that leave nothing for a set without one", () => {
  assert.throws(() => mixed(undefined, 0.5, 0.5), UsageError);
  assert.throws(() => mixed(undefined, 7), /^UsageError: the weights of data sets sum to 7, which leaves nothing/);
});
