import assert from "node:assert/strict";
import { truncate } from "node:fs/promises";
import { test } from "node:test";
import { contents, folderOf, inputError, openLeniently, pixels, reds, shard } from "../../testing/data/data-folders.js";
import { tarOf } from "../../testing/data/tar.js";
import { openDataSet } from "../data-set.js";
import { splitName } from "./webdataset.js";

const rows = [0, 1, 2, 3, 4, 5, 6];
const caption = (i: number) => (i % 2 ? `caption ${i}: ein Bär` : `caption ${i}`);

test("reads webdataset's shards: jpg, png and webp with txt or json, by offset in any order", async () => {
  const file = shard("webdataset.tar");
  assert.deepEqual(
    await contents(file),
    rows.map((i) => {
      const id = `sub/0000${i}.${["jpg", "png", "webp"][i % 3]}`;
      return i % 2 ? [id, caption(i), `again ${i}`] : [id, caption(i)];
    }),
  );
  const { items, format } = await openDataSet(file);
  assert.equal(format, "webdataset tar shards");
  const order = [6, 1, 1, 4, 0, 2, 3, 5];
  for (const [at, red] of (await reds(order.map((i) => items[i]))).entries()) {
    assert.ok(Math.abs(red - 20 * order[at]) <= 2, `${red}`);
  }
});

for (const [name, key] of [
  ["gnu", `${"long-".repeat(30)}/${"ü".repeat(40)}`],
  ["pax", `${"long-".repeat(30)}/${"ü".repeat(40)}`],
  ["ustar", `${"long-".repeat(18)}/${"name-".repeat(15)}ü`],
] as const) {
  test(`${name}: reads long names, skips folders and links`, async () => {
    const file = shard(`${name}.tar`);
    assert.deepEqual(
      await contents(file),
      [0, 1].map((i) => [`${key}${i}.png`, caption(i)]),
    );
    assert.deepEqual(await reds((await openDataSet(file)).items), [0, 20]);
  });
}

test("splits a name at the first dot of its last part", () => {
  const cases: [string, string, string][] = [
    ["a.jpg", "a", "jpg"],
    ["./a/b.c/d.seg.PNG", "a/b.c/d", "seg.png"],
    ["a", "a", ""],
    ["a/.hidden.txt", "a/.hidden.txt", ""],
    ["a.b/c", "a.b/c", ""],
  ];
  for (const [name, key, extension] of cases) assert.deepEqual(splitName(name), { key, extension });
});

test("reports faulty samples and reads the others", async (t) => {
  const data = await pixels("png");
  const text = (value: string) => Buffer.from(value);
  const folder = await folderOf(t, {
    "a.tar": tarOf([
      { name: "0.png", data },
      { name: "0.txt", data: text("a cat") },
      { name: "1.png", data },
      { name: "2.txt", data: text("a dog") },
      { name: "3.png", data: text("<html>") },
      { name: "3.txt", data: text("a bird") },
      { name: "4.png", data },
      { name: "4.txt", data: Buffer.from([0xff, 0xfe, 0x41, 0]) },
      { name: "5.png", data },
      { name: "5.json", data: text('{"caption": null, "text": 7}') },
      { name: "6.png", data },
      { name: "6.txt", data: text(" \n") },
      { name: "7.png", data: Buffer.alloc(0) },
      { name: "7.txt", data: text("a fish") },
      { name: "0.png", data },
      { name: "0.txt", data: text("a second cat") },
      { name: "8.mp4", data: text("no image") },
      { name: "../9.png", data },
      { name: "/etc/../9.txt", data: text("elsewhere") },
      { name: "../9.txt", data: text("names are only names") },
      { name: "10.png", data: Buffer.alloc(0), type: "2" },
      { name: "10.txt", data: text("the image is a link") },
      { name: "11.seg.png", data: text("a mask") },
      { name: "11.jpg", data },
      { name: "11.txt", data: text("png inside") },
    ]),
    "b.tar": tarOf([{ name: "0.png", data }]).subarray(0, 550),
    "c.tar.gz": "packed",
    "d.tar": "",
  });
  const { items, faults } = await openLeniently(folder);
  assert.deepEqual(
    items.map(({ id, captions }) => [id.split("#")[1], ...captions]),
    [
      ["0.png", "a cat"],
      ["11.jpg", "png inside"],
    ],
  );
  const expected: [string, RegExp][] = [
    ["damaged-file", /c\.tar\.gz is compressed, so it cannot be read by offset; decompress it to a \.tar$/],
    ["missing-caption", /image .*a\.tar#1\.png has no caption \(1\.txt or 1\.json\)$/],
    ["missing-image", /a\.tar#2\.txt has no png, jpeg or webp image next to it$/],
    ["unreadable-image", /a\.tar#3\.png is not a png, jpeg or webp image, despite its name$/],
    ["bad-caption", /caption file .*a\.tar#4\.txt is not UTF-8 text but UTF-16; save it as UTF-8$/],
    ["bad-caption", /a\.tar#5\.json: needs a caption/],
    ["bad-caption", /caption file .*a\.tar#6\.txt is empty$/],
    ["unreadable-image", /image .*a\.tar#7\.png is empty$/],
    ["damaged-file", /a\.tar#0: an earlier sample has the same key$/],
    ["missing-caption", /a\.tar#\.\.\/9\.png has no caption/],
    ["missing-image", /a\.tar#\/etc\/\.\.\/9\.txt has no png/],
    ["damaged-file", /a\.tar#\.\.\/9: an earlier sample has the same key$/],
    ["missing-image", /a\.tar#10\.txt has no png/],
    ["damaged-file", /b\.tar is cut short/],
    ["damaged-file", /d\.tar is an empty archive$/],
  ];
  assert.equal(faults.length, expected.length, faults.map(({ message }) => message).join("\n"));
  for (const [i, [kind, pattern]] of expected.entries()) {
    assert.equal(faults[i].kind, kind, faults[i].message);
    assert.match(faults[i].message, pattern);
  }
});

test("reads the whole samples of a truncated archive", async (t) => {
  const data = await pixels("png", 20);
  const members = ["a", "b"].flatMap((key) => [
    { name: `${key}.png`, data },
    { name: `${key}.txt`, data: Buffer.from(key) },
  ]);
  const whole = tarOf(members);
  const folder = await folderOf(t, { "a.tar": whole.subarray(0, whole.length - 1024 - 700) });
  const { items, faults } = await openLeniently(folder);
  assert.equal(items.length, 1);
  assert.deepEqual(
    faults.map(({ kind }) => kind),
    ["missing-caption", "damaged-file"],
  );
});

test("rejects reading from a shard that was truncated after opening", async (t) => {
  const data = await pixels("png");
  const folder = await folderOf(t, {
    "a.tar": tarOf([
      { name: "a.png", data },
      { name: "a.txt", data: Buffer.from("a") },
    ]),
  });
  const { items } = await openDataSet(folder);
  await truncate(`${folder}/a.tar`, 520);
  await assert.rejects(items[0].read(), inputError(/a\.tar is cut short: bytes 512 to \d+ are needed, it has 520$/));
});

test("rejects two kinds of shards, and tar files of several splits", async (t) => {
  const tar = tarOf([]);
  const both = await folderOf(t, { "a.tar": tar, "b.parquet": "x" });
  await assert.rejects(
    openDataSet(both),
    inputError(/holds 1 \.parquet files and 1 \.tar files; name the files of one kind$/),
  );
  const splits = await folderOf(t, { "train/0.tar": tar, "val/0.tar": tar });
  await assert.rejects(
    openDataSet(splits),
    inputError(/several splits: train \(train\/0\.tar\), validation \(val\/0\.tar\)/),
  );
});

test("reads keys with dots as samples of their own, and names members that are skipped", async (t) => {
  const data = await pixels("png");
  const text = (value: string) => Buffer.from(value);
  const folder = await folderOf(t, {
    "a.tar": tarOf([
      { name: "img.001.png", data },
      { name: "img.001.txt", data: text("one") },
      { name: "img.002.png", data },
      { name: "img.002.txt", data: text("two") },
      { name: "plain.png", data },
      { name: "plain.txt", data: text("plain") },
      { name: "plain.seg.png", data },
      { name: "sound.mp3", data: text("x") },
      { name: "README", data: text("x") },
      { name: "img.003.png", data },
      { name: "img.003.txt", data: text("three") },
    ]),
  });
  const { items, because } = await openDataSet(folder);
  assert.deepEqual(
    items.map(({ captions }) => captions[0]),
    ["one", "two", "plain", "three"],
  );
  assert.match(
    because,
    /a\.tar: 3 members without an image or caption skipped \(README, plain\.seg\.png, sound\.mp3\)/,
  );
});

test("reads img2dataset's output: its parquet files list the images of shards or folders", async (t) => {
  const data = await pixels("png");
  const caption = Buffer.from("a cat");
  const list = { "00000.parquet": "PAR1 is not read", "00000_stats.json": "{}" };
  const sharded = await folderOf(t, {
    ...list,
    "00000.tar": tarOf([
      { name: "0.png", data },
      { name: "0.txt", data: caption },
    ]),
  });
  const files = await folderOf(t, { ...list, "00000/0.png": true, "00000/0.txt": "a cat", "00000/0.json": "{}" });
  for (const folder of [sharded, files]) {
    const { items } = await openDataSet(folder);
    assert.deepEqual(
      items.map(({ captions }) => captions),
      [["a cat"]],
    );
  }
});
