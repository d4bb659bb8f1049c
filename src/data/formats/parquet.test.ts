import assert from "node:assert/strict";
import { copyFile, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";
import { contents, folderOf, inputError, openLeniently, reds, shard } from "../../testing/data/data-folders.js";
import { openDataSet } from "../data-set.js";

const rows = [0, 1, 2, 3, 4, 5, 6];
const caption = (i: number) => (i % 2 ? `caption ${i}: ein Bär` : `caption ${i}`);
/** As in test/fixtures/data/make.py. */
const red = (i: number) => 20 * i;

const written = [
  "datasets",
  "duckdb",
  "polars-snappy",
  "pyarrow",
  "pyarrow-brotli",
  "pyarrow-delta",
  "pyarrow-gzip",
  "pyarrow-lz4",
  "pyarrow-no-statistics",
  "pyarrow-plain",
  "pyarrow-v2",
  "pyarrow-zstd",
];
for (const name of written) {
  test(`${name}: reads captions, and images by row in any order`, async () => {
    const file = shard(`${name}.parquet`);
    assert.deepEqual(
      await contents(file),
      rows.map((i) => [`${i}`, caption(i)]),
    );
    const { items, format } = await openDataSet(file);
    assert.equal(format, "Parquet shards");
    assert.deepEqual(await reds(items), rows.map(red));
    const mixed = [5, 0, 6, 0, 3, 4, 2, 1];
    assert.deepEqual(await reds(mixed.map((i) => items[i])), mixed.map(red));
  });
}

test("reads required columns, which have no levels, named jpg and prompt", async () => {
  const { items } = await openDataSet(shard("pyarrow-required.parquet"));
  assert.deepEqual(
    items.map(({ captions }) => captions),
    rows.map((i) => [caption(i)]),
  );
  for (const [i, value] of (await reds(items)).entries()) assert.ok(Math.abs(value - red(i)) <= 2);
});

test("reads lists of captions as variants; an empty list or null is a missing caption", async () => {
  const { items, faults } = await openLeniently(shard("pyarrow-lists.parquet"));
  assert.deepEqual(
    items.map(({ id, captions }) => [id.split("#")[1], ...captions]),
    [
      ["1", caption(1)],
      ["2", caption(2), "again 2"],
      ["4", caption(4)],
      ["5", caption(5), "again 5"],
    ],
  );
  assert.deepEqual(await reds(items), [1, 2, 4, 5].map(red));
  assert.deepEqual(
    faults.map(({ kind, where }) => [kind, basename(where)]),
    [0, 3, 6].map((i) => ["missing-caption", `pyarrow-lists.parquet#${i}`]),
  );
});

for (const name of ["pyarrow-nulls", "pyarrow-nulls-no-statistics"]) {
  test(`${name}: reports rows without bytes or caption and reads the others`, async () => {
    const { items, faults } = await openLeniently(shard(`${name}.parquet`));
    assert.deepEqual(
      items.map(({ id, captions }) => [id.split("#")[1], ...captions]),
      [0, 3, 6].map((i) => [`${i}`, caption(i)]),
    );
    assert.deepEqual(await reds(items), [0, 3, 6].map(red));
    assert.deepEqual(
      faults.map(({ kind, where }) => [kind, where.split("#")[1]]),
      [
        ["missing-image", "1"],
        ["missing-caption", "2"],
        ["missing-image", "4"],
        ["missing-caption", "5"],
      ],
    );
  });
}

test("reads the shards of a folder as one data set, sorted by name", async (t) => {
  const bytes = await readFile(shard("datasets.parquet"));
  const folder = await folderOf(t, {
    "data/train-00001-of-00002.parquet": bytes,
    "data/train-00000-of-00002.parquet": bytes,
    "README.md": "about",
    "assets/thumbnail.png": true,
  });
  const { items, because } = await openDataSet(folder);
  assert.equal(because, '2 .parquet files; images from column "image", captions from column "text"');
  assert.equal(items.length, 14);
  assert.equal(items[0].id, join(folder, "data", "train-00000-of-00002.parquet#0"));
  assert.deepEqual(await reds(items), [...rows, ...rows].map(red));
  await copyFile(shard("datasets.parquet"), join(folder, "data", "test-00000-of-00001.parquet"));
  await assert.rejects(
    openDataSet(folder),
    inputError(
      /holds shards of several splits: test \(data\/test-.*\), train \(data\/train-.*\); name the files of one/,
    ),
  );
  await openDataSet(join(folder, "data", "test-00000-of-00001.parquet"));
});

test("reports damaged files and reads the others", async (t) => {
  const bytes = await readFile(shard("pyarrow.parquet"));
  const folder = await folderOf(t, {
    "0.parquet": bytes,
    "1.parquet": bytes.subarray(0, -20),
    "2.parquet": "not a parquet file",
    "3.parquet": "",
    "4.parquet": Buffer.concat([bytes.subarray(0, -8), Buffer.from([255, 255, 255, 127]), bytes.subarray(-4)]),
    "5.parquet": Buffer.concat([bytes.subarray(0, -4), Buffer.from("PARE")]),
  });
  const { items, faults } = await openLeniently(folder);
  assert.equal(items.length, 7);
  const expected = [
    /1\.parquet is cut short/,
    /2\.parquet is not a Parquet file$/,
    /3\.parquet is not a Parquet file: it has 0 bytes/,
    /4\.parquet is damaged: its footer says it has 2147483647 bytes/,
    /5\.parquet is an encrypted Parquet file/,
  ];
  assert.equal(faults.length, expected.length);
  for (const [i, pattern] of expected.entries()) assert.match(faults[i].message, pattern);
});

test("rejects a text column that is not named as captions are, and reports the columns that it reads", async () => {
  await assert.rejects(
    openDataSet(shard("url-column.parquet")),
    inputError(/has no caption column \(text, caption, .*\); its columns are "image", "url"/),
  );
  const { because } = await openDataSet(shard("datasets.parquet"));
  assert.match(because, /images from column "image", captions from column "/);
});
