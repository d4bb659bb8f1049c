import assert from "node:assert/strict";
import { rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { InputError } from "../core/errors.js";
import { repetitions } from "../testing/core/repetitions.js";
import { contents, folderOf, inputError } from "../testing/data/data-folders.js";
import { openDataSet } from "./data-set.js";
import { listImages } from "./folder-files.js";
import { parseLine } from "./formats/metadata-jsonl.js";

const line = (file_name: string, text: string) => `${JSON.stringify({ file_name, text, width: 2 })}\n`;

test("sidecar captions: sorted, one caption per line, with sub-folders, without hidden files", async (t) => {
  const folder = await folderOf(t, {
    "b.JPG": true,
    "b.txt": "\ufeffa dog\r\n\r\n  a brown dog  \na dog\n",
    "a.png": true,
    "a.txt": "a cat",
    "more/c.webp": true,
    "more/c.txt": "ein Pferd, über den Zaun\n",
    ".hidden.png": "no image",
    ".cache/x.png": "no image",
  });
  assert.deepEqual(await contents(folder), [
    ["a.png", "a cat"],
    ["b.JPG", "a dog", "a brown dog"],
    ["more/c.webp", "ein Pferd, über den Zaun"],
  ]);
  assert.deepEqual(
    await listImages(folder),
    ["a.png", "b.JPG", "more/c.webp"].map((name) => join(folder, name)),
  );
});

test("metadata.jsonl: several lines are variants; other keys and sidecars are ignored", async (t) => {
  const folder = await folderOf(t, {
    "metadata.jsonl": `${line("z.png", "a cat")}\n${line("./sub/a.jpeg", "a dog")}${line("z.png", "the cat")}`,
    "z.png": true,
    "z.txt": "not this",
    "sub/a.jpeg": true,
  });
  assert.deepEqual(await contents(folder), [
    ["sub/a.jpeg", "a dog"],
    ["z.png", "a cat", "the cat"],
  ]);
});

test("follows links inside the folder", async (t) => {
  const folder = await folderOf(t, { "a.png": true, "a.txt": "a cat", "b.txt": "a copy" });
  await symlink("a.png", join(folder, "b.png"));
  assert.deepEqual(await contents(folder), [
    ["a.png", "a cat"],
    ["b.png", "a copy"],
  ]);
});

test("reads a snapshot of a Hugging Face cache, which consists of links", async (t) => {
  const hub = await folderOf(t, { "blobs/0a1b": true, "blobs/2c3d": "a cat", "snapshots/main/other.md": "" });
  const snapshot = join(hub, "snapshots", "main");
  await symlink("../../blobs/0a1b", join(snapshot, "a.png"));
  await symlink("../../blobs/2c3d", join(snapshot, "a.txt"));
  assert.deepEqual(
    (await openDataSet(snapshot)).items.map(({ captions }) => captions),
    [["a cat"]],
  );
});

test("reads .caption and .TXT files, and names with composed and decomposed accents", async (t) => {
  const files = { "a.png": true, "a.caption": "a cat", "b.png": true, "b.TXT": "a dog" } as const;
  const folder = await folderOf(t, { ...files, "cafe\u0301.png": true, "caf\u00e9.txt": "a caf\u00e9" });
  const { items } = await openDataSet(folder);
  assert.deepEqual(items.map(({ captions }) => captions[0]).sort(), ["a caf\u00e9", "a cat", "a dog"]);
});

test("rejects captions that are not text", async (t) => {
  for (const [encoding, order] of [
    ["utf16le", "little"],
    ["be", "big"],
  ] as const) {
    const bytes = Buffer.from("a cat", "utf16le");
    const folder = await folderOf(t, { "a.png": true });
    await writeFile(join(folder, "a.txt"), encoding === "be" ? bytes.swap16() : bytes);
    await assert.rejects(openDataSet(folder), inputError(/a\.txt is not UTF-8 text but UTF-16/), order);
  }
  const folder = await folderOf(t, {
    "a.png": true,
    "metadata.jsonl": JSON.stringify({ file_name: "a.png", text: "a\0b" }),
  });
  await assert.rejects(openDataSet(folder), inputError(/NUL/));
});

test("names every folder with a metadata.jsonl", async (t) => {
  const line = JSON.stringify({ file_name: "a.png", text: "a cat" });
  const folder = await folderOf(t, {
    "test/a.png": true,
    "test/metadata.jsonl": line,
    "train/a.png": true,
    "train/metadata.jsonl": line,
  });
  await assert.rejects(openDataSet(folder), inputError(/one of these folders: .*test, .*train$/));
});

test("rejects a link that leaves the folder", async (t) => {
  const outside = await folderOf(t, { "secret.png": true });
  const folder = await folderOf(t, { "a.png": true, "a.txt": "a cat", "b.txt": "a secret" });
  await symlink(join(outside, "secret.png"), join(folder, "b.png"));
  await assert.rejects(openDataSet(folder), inputError(/^link .*b\.png leaves the data folder/));
  await rm(join(folder, "b.png"));
  await symlink(outside, join(folder, "sub"));
  await assert.rejects(openDataSet(folder), inputError(/^link .*sub leaves the data folder/));
  await rm(join(folder, "sub"));
  await symlink("nowhere.png", join(folder, "b.png"));
  await assert.rejects(openDataSet(folder), inputError(/^link .*b\.png leads nowhere/));
});

const refusals: [string, Record<string, string | true>, RegExp][] = [
  ["an empty folder", {}, /^data folder .* holds no png, jpeg or webp image$/],
  ["no image among the files", { "movie.mp4": "x" }, /holds no png, jpeg or webp image$/],
  [
    "a caption without its image",
    { "a.txt": "x" },
    /^caption file .*a\.txt has no png, jpeg or webp image next to it$/,
  ],
  [
    "a caption named after the whole file",
    { "a.png": true, "a.png.txt": "x" },
    /a\.png\.txt has no .*; name it a\.txt; 1 more fault /,
  ],
  ["one image without caption", { "a.png": true }, /^image .*a\.png has no caption \(a \.txt or \.caption file\)$/],
  [
    "many images without caption",
    { "a.png": true, "b.png": true, "c.png": true, "d.png": true, "e.png": true, "e.txt": "x", "f.png": true },
    /^image .*a\.png has no caption .*; 4 more faults \(softrepa data check lists them\)$/,
  ],
  ["an empty caption file", { "a.png": true, "a.txt": " \n" }, /^caption file .*a\.txt is empty$/],
  ["a caption file for two images", { "a.png": true, "a.jpg": true, "a.txt": "x" }, /share one caption file/],
  ["a file that is not an image", { "a.png": "<html>", "a.txt": "x" }, /a\.png is not a png, jpeg or webp image/],
  ["an empty image", { "a.png": "", "a.txt": "x" }, /^image .*a\.png is empty$/],
  ["metadata.json1", { "a.png": true, "metadata.json1": "{}" }, /metadata\.json1 is not read; .* metadata\.jsonl/],
  ["metadata.json", { "a.png": true, "metadata.json": "{}" }, /metadata\.json is not read/],
  ["Metadata.csv", { "a.png": true, "Metadata.csv": "{}" }, /Metadata\.csv is not read/],
  [
    "metadata.jsonl one level down",
    { "train/a.png": true, "train/metadata.jsonl": line("a.png", "x") },
    /has metadata\.jsonl in sub-folders; name that folder instead: .*train$/,
  ],
  ["an empty metadata.jsonl", { "metadata.jsonl": "\n" }, /metadata\.jsonl is empty$/],
  [
    "broken JSON",
    { "metadata.jsonl": `${line("a.png", "x")}{"file_name"`, "a.png": true },
    /jsonl line 2: broken JSON/,
  ],
  ["a line that is a list", { "metadata.jsonl": "[1]" }, /jsonl line 1: must be one JSON object/],
  ["no file_name", { "metadata.jsonl": '\n{"text":"x"}' }, /jsonl line 2: needs a file_name/],
  ["a text that is not a string", { "metadata.jsonl": '{"file_name":"a.png","text":7}' }, /line 1: needs a text/],
  ["an empty text", { "metadata.jsonl": line("a.png", " ") }, /line 1: the caption is empty$/],
  ["a file_name above the folder", { "metadata.jsonl": line("../a.png", "x") }, /"\.\.\/a\.png" leaves the folder/],
  [
    "a file_name that leaves the folder in the middle",
    { "metadata.jsonl": line("b/../../a.png", "x") },
    /leaves the folder/,
  ],
  ["a Windows path that leaves the folder", { "metadata.jsonl": line("..\\a.png", "x") }, /leaves the folder/],
  ["an absolute file_name", { "metadata.jsonl": line("/etc/a.png", "x") }, /must be relative/],
  ["an absolute Windows file_name", { "metadata.jsonl": line("C:\\a.png", "x") }, /must be relative/],
  [
    "a file_name with another extension",
    { "metadata.jsonl": line("a.gif", "x") },
    /"a\.gif" is not a png, jpeg or webp/,
  ],
  ["a missing image", { "metadata.jsonl": line("a.png", "x") }, /jsonl line 1: there is no image a\.png in/],
  [
    "an image that metadata.jsonl does not list",
    { "metadata.jsonl": line("a.png", "x"), "a.png": true, "b.png": true },
    /^image .*b\.png has no caption \(a line in metadata\.jsonl\)$/,
  ],
];

for (const [name, files, message] of refusals) {
  test(`rejects ${name}`, async (t) => {
    await assert.rejects(openDataSet(await folderOf(t, files)), inputError(message));
  });
}

test("reads or rejects any line of metadata.jsonl, and no name leaves the folder", () => {
  const name = fc.array(fc.constantFrom("..", ".", "a", "/", "\\", "C:", ".png", "\0", "\n"), { maxLength: 6 });
  const entry = fc.record({ file_name: name.map((parts) => parts.join("")), text: fc.string() });
  const line = fc.oneof(
    entry.map((value) => Buffer.from(JSON.stringify(value))),
    fc.json().map((text) => Buffer.from(text)),
    fc.uint8Array(),
  );
  fc.assert(
    fc.property(line, (bytes) => {
      try {
        const { name, text } = parseLine({ number: 1, bytes }, "line 1");
        assert.ok(resolve("/data", name).startsWith(`/data${sep}`), name);
        assert.notEqual(text, "");
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
        assert.doesNotMatch(error.message, /\n/);
      }
    }),
    { numRuns: repetitions(1000) },
  );
});

test("rejects captions in another encoding", async (t) => {
  const folder = await folderOf(t, { "a.png": true });
  await writeFile(join(folder, "a.txt"), Buffer.from("caf\xe9", "latin1"));
  await assert.rejects(openDataSet(folder), inputError(/a\.txt is not UTF-8 text$/));
});

test("rejects a missing folder, and a file in its place", async (t) => {
  const folder = await folderOf(t, { "a.png": true });
  await assert.rejects(openDataSet(join(folder, "no")), inputError(/^cannot open data set .*ENOENT/));
  await assert.rejects(openDataSet(join(folder, "a.png")), inputError(/a\.png is not a data set; name a folder, /));
});
