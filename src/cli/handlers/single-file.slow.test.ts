import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import { readPngText } from "../../data/png.js";
import { events, refusesTo, scratchFolder } from "../../testing/cli/support.js";
import { tokenizerFolder, writeDiffusersFolder, writeOriginal } from "../../testing/pipelines/single-file.js";

const at = await scratchFolder();
const size = ["--width", "16", "--height", "16", "--steps", "1", "--max-sequence-length", "8", "--provider", "cpu"];

describe("a model in a single file", () => {
  const file = at("models", "small-sd3.safetensors");
  const bare = at("models", "bare.safetensors");
  before(async () => {
    await writeOriginal("sd3", file, "float16");
    await writeOriginal("sd3", bare, "float16", (name) => !name.startsWith("text_encoders."));
    await writeDiffusersFolder("sd3", file, at("folder"), "float16");
  });

  it("generates the images of the equivalent folder, and records its name without the extension", async () => {
    const make = async (out: string, ...model: readonly string[]) => {
      const made = await events("generate", ...model, ...size, "--prompt", "a cat", "--seed", "3", "--out", at(out));
      assert.equal(made.at(-1)?.event, "image");
      return readFile(at(out));
    };
    const one = await make("one.png", "--model", file, "--tokenizer", tokenizerFolder("sd3"));
    const other = await make("other.png", "--model", at("folder"));
    const two = await make("two.png", "--model", bare, "--text-encoders", at("folder"));
    const { parameters } = await readPngText(at("one.png"));
    assert.match(parameters, /Model: small-sd3(,|$)/m);
    // Equal pixel data; only the text chunks differ.
    const pixels = (png: Buffer) => png.subarray(png.indexOf("IDAT")).toString("hex");
    assert.equal(pixels(one), pixels(other));
    assert.equal(pixels(two), pixels(other));
  });

  it("is rejected in one line if a part is missing or an option does not apply", async () => {
    const out = ["--prompt", "x", "--out", at("none.png"), ...size];
    await refusesTo(["generate", "--model", file, ...out], 1, /CLIP-L, .*\(vocab\.json and merges\.txt\).*--tokenizer/);
    await refusesTo(
      ["generate", "--model", bare, ...out],
      1,
      /contains no text encoder CLIP-L and CLIP-G: .*--text-encoders/,
    );
    await refusesTo(["generate", "--model", file, "--variant", "fp16", ...out], 2, /is a single file.*omit --variant/);
    await refusesTo(
      ["generate", "--model", at("folder"), "--tokenizer", at("folder"), ...out],
      2,
      /--tokenizer and --text-encoders are for single files/,
    );
  });
});
