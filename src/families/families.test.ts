import assert from "node:assert/strict";
import { it } from "node:test";
import { familyContract } from "../testing/families/contract.js";
import { readManifest, shapesOnly } from "../testing/models/original.js";
import { tokenizerFolder, writeOriginal } from "../testing/pipelines/single-file.js";
import { pipelineFolder } from "../testing/pipelines/support.js";
import { temporaryFolder } from "../testing/weights/support.js";
import { builtInFamilies } from "./index.js";

const path = temporaryFolder();
const fixtures = ["sd15", "sdxl", "sd3"] as const;

it("built-in families have unique names and a fixture model each", () => {
  assert.deepEqual(
    builtInFamilies.map(({ name }) => name),
    fixtures,
  );
  for (const key of ["name", "title", "className", "architecture"] as const) {
    assert.equal(new Set(builtInFamilies.map((family) => family[key])).size, builtInFamilies.length, key);
  }
});

it("matches a single file to exactly one family", () => {
  for (const name of fixtures) {
    const { original, ignored } = readManifest(name);
    const source = shapesOnly({ ...original, ...ignored });
    const matching = builtInFamilies.filter(({ singleFile }) => singleFile?.matches(source));
    assert.deepEqual(
      matching.map((family) => family.name),
      [name],
    );
  }
});

for (const family of builtInFamilies) {
  familyContract(family, async () => {
    const name = fixtures.find((fixture) => fixture === family.name);
    assert.ok(name, `no fixtures of ${family.name}`);
    const file = await writeOriginal(name, path(`${name}.safetensors`), "float32");
    return {
      folder: pipelineFolder(name),
      file: { path: file, options: { tokenizers: [tokenizerFolder(name)] } },
    };
  });
}
