import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { describe, it } from "node:test";
import { readSoftTokens } from "../../softtokens/formats/index.js";
import { namesIn, scratchFolder, softrepa } from "../../testing/cli/support.js";
import { bitsOf, shared } from "../../testing/weights/support.js";
import { readTorchFile } from "../../weights/torch-file.js";

const at = await scratchFolder();
const official = shared("official-tokens");
const absent = official === undefined ? "the authors' token files are absent (../shared/official-tokens)" : false;

describe("softrepa tokens on the authors' released files", { skip: absent }, async () => {
  const folders = official === undefined ? [] : (await readdir(official)).sort();

  it("exist for all three models", () => assert.deepEqual(folders, ["sd1.5", "sd3", "sdxl"]));

  for (const name of folders) {
    it(`converts ${name} to softrepa and back without changing a bit`, async () => {
      const [from, between, back] = [`${official}/${name}`, at(`${name}.safetensors`), at(name)];
      assert.deepEqual((await softrepa(["tokens", "convert", from, between])).code, 0);
      assert.deepEqual((await softrepa(["tokens", "convert", between, back])).code, 0);
      assert.deepEqual(await namesIn(back), (await readdir(from)).sort());
      for (const file of await namesIn(back)) {
        const [before, after] = [await readTorchFile(`${from}/${file}`), await readTorchFile(`${back}/${file}`)];
        assert.deepEqual([...after.keys()], [...before.keys()]);
        for (const [key, { shape, data }] of before) {
          assert.deepEqual(after.get(key)?.shape, shape);
          assert.deepEqual(bitsOf(after.get(key)?.data ?? new Float32Array()), bitsOf(data));
        }
      }
      assert.deepEqual(await readSoftTokens(between), await readSoftTokens(from));
    });
  }
});
