import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../core/errors.js";
import { repetitions } from "../../testing/core/repetitions.js";
import { contents, folderOf, inputError, openLeniently } from "../../testing/data/data-folders.js";
import { openDataSet } from "../data-set.js";

interface Entry {
  readonly id?: unknown;
  readonly file_name?: unknown;
  readonly image_id?: unknown;
  readonly caption?: unknown;
}

/** A captions file as in COCO's download, with keys that are not read. */
const captionsOf = (images: readonly Entry[], annotations: readonly Entry[]) =>
  JSON.stringify({
    info: { description: "COCO 2017 Dataset", year: 2017 },
    licenses: [{ id: 1, name: "none" }],
    images: images.map((image) => ({
      license: 1,
      coco_url: "http://images.test/1.jpg",
      height: 2,
      width: 2,
      ...image,
    })),
    annotations: annotations.map((annotation, id) => ({ id, ...annotation })),
  });

const images = [
  { id: 9, file_name: "000000000009.jpg" },
  { id: 25, file_name: "000000000025.jpg" },
];
const annotations = [
  { image_id: 25, caption: "A giraffe by a tree." },
  { image_id: 9, caption: " Broccoli on a plate\n" },
  { image_id: 25, caption: "Two giraffes" },
  { image_id: 9, caption: "Broccoli on a plate" },
];
const layout = {
  "annotations/captions_train2017.json": captionsOf(images, annotations),
  "annotations/instances_train2017.json": "{}",
  "train2017/000000000009.jpg": true,
  "train2017/000000000025.jpg": true,
} as const;
const wanted = (root: string) => [
  [`${root}000000000009.jpg`, "Broccoli on a plate"],
  [`${root}000000000025.jpg`, "A giraffe by a tree.", "Two giraffes"],
];

test("reads the layout of the download: captions by image id, those of an image as variants", async (t) => {
  const folder = await folderOf(t, layout);
  assert.deepEqual(await contents(folder), wanted("train2017/"));
  const { format, because } = await openDataSet(folder);
  assert.deepEqual([format, because], ["COCO captions", "annotations/captions_train2017.json"]);
  // The captions file names the same data set.
  const file = join(folder, "annotations", "captions_train2017.json");
  assert.deepEqual(await contents(file, folder), wanted("train2017/"));
});

test("finds images and captions in other folders", async (t) => {
  const json = layout["annotations/captions_train2017.json"];
  for (const [captions, root] of [
    ["annotations/captions_train2017.json", "images/train2017/"],
    ["annotations/captions_train2017.json", "images/"],
    ["captions_val.json", "val/"],
    ["captions.json", ""],
    ["captions.json", "images/"],
  ]) {
    const files = Object.fromEntries(images.map(({ file_name }) => [`${root}${file_name}`, true as const]));
    assert.deepEqual(await contents(await folderOf(t, { [captions]: json, ...files })), wanted(root));
  }
  const named = await folderOf(t, {
    "my.json": captionsOf([{ id: "a", file_name: "in/a.png" }], [{ image_id: "a", caption: "x" }]),
    "in/a.png": true,
  });
  assert.deepEqual(await contents(join(named, "my.json"), named), [["in/a.png", "x"]]);
});

test("picks train or val by which images exist; if both do, one must be named", async (t) => {
  const val = captionsOf([{ id: 1, file_name: "1.jpg" }], [{ image_id: 1, caption: "val" }]);
  const folder = await folderOf(t, { ...layout, "annotations/captions_val2017.json": val });
  assert.deepEqual(await contents(folder), wanted("train2017/"));
  const both = await folderOf(t, { ...layout, "annotations/captions_val2017.json": val, "val2017/1.jpg": true });
  await assert.rejects(
    openDataSet(both),
    inputError(/holds 2 captions files \(.*\); name one: .*captions_train2017\.json$/),
  );
  assert.deepEqual(await contents(join(both, "annotations", "captions_val2017.json"), both), [
    ["val2017/1.jpg", "val"],
  ]);
});

test("reports faults by their place and reads the rest", async (t) => {
  const folder = await folderOf(t, {
    ...layout,
    "annotations/captions_train2017.json": captionsOf(
      [
        ...images,
        { id: 30, file_name: "../../etc/passwd.jpg" },
        { id: 31, file_name: "/etc/passwd.jpg" },
        { id: 32, file_name: 7 },
        { id: 9, file_name: "again.jpg" },
        { id: 33, file_name: "missing.jpg" },
        { id: 34, file_name: "bare.jpg" },
        { id: 35, file_name: "none.jpg" },
        { id: 36, file_name: "x.gif" },
      ],
      [
        ...annotations,
        { image_id: 99, caption: "nobody" },
        { image_id: 9, caption: 5 },
        { image_id: 9, caption: "  " },
        { image_id: 9, caption: "x".repeat(10 ** 7) },
        { image_id: 33, caption: "missing" },
        { image_id: 35, caption: "no image" },
      ],
    ),
    "train2017/bare.jpg": true,
    "train2017/none.jpg": "<html>",
    "train2017/unlisted.jpg": true,
  });
  const { items, faults } = await openLeniently(folder);
  assert.equal(items.length, 2);
  const reported = faults.map(({ kind, message }) => `${kind} ${message.replaceAll(folder, "DIR")}`);
  const file = /^(\S+) DIR.annotations.captions_train2017\.json: /;
  assert.deepEqual(
    reported.map((line) => line.replace(file, "$1 ")),
    [
      'missing-image images[2]: file_name "../../etc/passwd.jpg" leaves the folder',
      'missing-image images[3]: file_name "/etc/passwd.jpg" must be relative to the folder',
      "missing-image images[4] needs an id and a file_name (a string)",
      "missing-image images[5]: another image has the id 9",
      'missing-image images[9]: file_name "x.gif" is not a png, jpeg or webp file',
      "missing-image there is no image train2017/missing.jpg in DIR",
      "bad-caption annotations[4]: there is no image with the id 99",
      "bad-caption annotations[5] needs an image_id and a caption (a string)",
      "bad-caption annotations[6]: the caption is empty",
      "bad-caption annotations[7]: the caption has 10000000 characters, the limit is 16384",
      `missing-caption image ${join("DIR", "train2017", "bare.jpg")} has no caption (an annotation in annotations/captions_train2017.json)`,
      `unreadable-image ${join("DIR", "train2017", "none.jpg")} is not a png, jpeg or webp image, despite its name`,
    ],
  );
});

test("rejects a malformed captions file", async (t) => {
  const cases: [string, RegExp][] = [
    ['{"images": [', /captions_train2017\.json: broken JSON/],
    ["[]", /captions_train2017\.json: must be one JSON object with images and annotations$/],
    ['{"images": []}', /captions_train2017\.json: needs annotations \(a list\)$/],
    ['{"images": [], "annotations": []}', /captions_train2017\.json lists no image$/],
    [
      captionsOf([{ id: 1, file_name: "elsewhere.jpg" }], []),
      /the images of .* are not in .*: looked for elsewhere\.jpg in train2017\/, images\/train2017\/, images\/, the folder/,
    ],
  ];
  for (const [json, message] of cases) {
    const folder = await folderOf(t, { ...layout, "annotations/captions_train2017.json": json });
    await assert.rejects(openDataSet(folder), inputError(message));
  }
});

test("reads or rejects any JSON", async (t) => {
  const folder = await folderOf(t, layout);
  const id = fc.oneof(fc.constantFrom(9, "9", 25), fc.jsonValue());
  const name = fc.oneof(fc.constantFrom("000000000009.jpg", "../x.jpg", "/x.jpg", "a\nb.jpg"), fc.jsonValue());
  const json = fc.oneof(
    fc.jsonValue(),
    fc.record({
      images: fc.oneof(fc.array(fc.oneof(fc.record({ id, file_name: name }), fc.jsonValue())), fc.jsonValue()),
      annotations: fc.array(fc.oneof(fc.record({ image_id: id, caption: fc.string() }), fc.jsonValue())),
    }),
  );
  await fc.assert(
    fc.asyncProperty(json, async (value) => {
      await writeFile(join(folder, "annotations", "captions_train2017.json"), JSON.stringify(value));
      try {
        const { items, faults } = await openLeniently(folder);
        for (const { id: path } of items) assert.ok(path.startsWith(join(folder, "train2017")));
        for (const { message } of faults) assert.doesNotMatch(message, /\n/);
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
        assert.doesNotMatch(error.message, /\n/);
      }
    }),
    { numRuns: repetitions(200) },
  );
});
