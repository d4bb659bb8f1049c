import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { scratchFolder, succeeds, writeTestImages } from "../../../testing/cli/support.js";

const at = await scratchFolder();
// The bundled pipeline, because operators of smaller ones are not split between threads.
const settings = [
  ...["train", "--model", join("demo", "pipeline"), "--data", at("data"), "--engine", "onnxruntime", "--threads", "2"],
  ...["--resolution", "64", "--batch", "2", "--temperature", "1", "--lr", "0.05", "--save-every", "0"],
];
const tokensOf = (name: string) => readFile(at(name, "tokens.safetensors"));

describe("two threads", { timeout: 900_000 }, () => {
  before(() => writeTestImages(at("data")));

  it("give the same bytes in equal runs, and in a resumed run", async () => {
    for (const name of ["one", "two"]) await succeeds(...settings, "--out", at(name), "--steps", "4");
    assert.deepEqual(await tokensOf("two"), await tokensOf("one"));
    await succeeds(...settings, "--out", at("parts"), "--steps", "2");
    assert.notDeepEqual(await tokensOf("parts"), await tokensOf("one"));
    await succeeds("train", "--resume", at("parts"), "--steps", "4");
    assert.deepEqual(await tokensOf("parts"), await tokensOf("one"));
  });
});
