import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Tensor } from "../core/tensor.js";
import { fixture, refuses, shared, temporaryFolder } from "../testing/weights/support.js";
import { type CheckpointStem, checkpointVariants, openCheckpoint } from "./checkpoint.js";
import { openSafetensors, readTensor, writeSafetensors } from "./safetensors.js";

const at = temporaryFolder();
const stem = "diffusion_pytorch_model";

/** Creates a folder with the named one-tensor files; the tensor's value is the index of its file. */
async function folderOf(name: string, ...files: readonly string[]): Promise<string> {
  await mkdir(at(name), { recursive: true });
  for (const [i, file] of files.entries()) {
    const tensor: Tensor = { dtype: "float32", shape: [1], data: Float32Array.of(i) };
    if (file.endsWith(".safetensors"))
      await writeSafetensors(at(name, file), new Map([[`t${i}`, tensor]]), { from: file });
    else await writeFile(at(name, file), "");
  }
  return at(name);
}

async function writeIndex(folder: string, name: string, weightMap: Record<string, string>): Promise<void> {
  await writeFile(join(folder, name), JSON.stringify({ metadata: { total_size: 8 }, weight_map: weightMap }));
}

const names = (source: { tensors: ReadonlyMap<string, unknown> }) => [...source.tensors.keys()].sort();

describe("openCheckpoint opens", () => {
  it("the plain file if there is one", async () => {
    const folder = await folderOf("plain", `${stem}.fp16.safetensors`, `${stem}.safetensors`);
    const source = await openCheckpoint(folder, stem);
    assert.deepEqual(names(source), ["t1"]);
    assert.equal(source.origin, folder);
    assert.deepEqual(await checkpointVariants(folder, stem), ["", "fp16"]);
    assert.deepEqual(names(await openCheckpoint(folder, stem, "fp16")), ["t0"]);
  });

  it("the only variant", async () => {
    const folder = await folderOf("only", `${stem}.fp16.safetensors`);
    assert.deepEqual(names(await openCheckpoint(folder, stem)), ["t0"]);
  });

  it("none of several variants without a choice", async () => {
    const folder = await folderOf("several", `${stem}.fp16.safetensors`, `${stem}.bf16.safetensors`);
    await refuses(() => openCheckpoint(folder, stem), /several/, /variants bf16, fp16: choose one/);
    assert.deepEqual(names(await openCheckpoint(folder, stem, "bf16")), ["t1"]);
  });

  for (const index of [`${stem}.safetensors.index.fp16.json`, `${stem}.fp16.safetensors.index.json`]) {
    it(`a sharded variant: ${index}`, async () => {
      const shards = [`${stem}.fp16-00001-of-00002.safetensors`, `${stem}-00002-of-00002.fp16.safetensors`];
      const folder = await folderOf(index, ...shards);
      await writeIndex(folder, index, { t0: shards[0] ?? "", t1: shards[1] ?? "" });
      assert.deepEqual(await checkpointVariants(folder, stem), ["fp16"]);
      assert.deepEqual(names(await openCheckpoint(folder, stem)), ["t0", "t1"]);
      assert.deepEqual(names(await openCheckpoint(folder, stem, "fp16")), ["t0", "t1"]);
    });
  }

  it("a text encoder's own file name", async () => {
    const folder = await folderOf("text", "model.safetensors", `${stem}.safetensors`);
    assert.deepEqual(names(await openCheckpoint(folder, "model")), ["t0"]);
  });

  it("files through the symbolic links of a Hugging Face cache", async () => {
    const blobs = await folderOf("cache-blobs", "abc.safetensors");
    await mkdir(at("snapshot"));
    await symlink(join(blobs, "abc.safetensors"), at("snapshot", "model.safetensors"));
    const source = await openCheckpoint(at("snapshot"), "model");
    assert.match(source.tensors.get("t0")?.file ?? "", /cache-blobs\/abc\.safetensors$/);
  });
});

describe("openCheckpoint rejects", () => {
  it("a missing variant", async () => {
    const folder = await folderOf("no-variant", `${stem}.safetensors`, `${stem}.bf16.safetensors`);
    await refuses(() => openCheckpoint(folder, stem, "fp16"), /no .*fp16\.safetensors; it has bf16, the plain files/);
  });

  it("a folder with only PyTorch weights", async () => {
    const folder = await folderOf("bin", `${stem}.bin`, "config.json");
    await refuses(() => openCheckpoint(folder, stem), /bin has only PyTorch weights.*safetensors is needed/);
  });

  it("an empty folder, a missing folder, a file", async () => {
    await refuses(
      async () => openCheckpoint(await folderOf("empty"), stem),
      /empty has no diffusion_pytorch_model\.safetensors/,
    );
    await refuses(() => openCheckpoint(at("nowhere"), stem), /no such file or folder: .*nowhere/);
    await writeFile(at("file"), "");
    await refuses(() => openCheckpoint(at("file"), stem), /cannot read .*file/);
  });

  it("shards without an index", async () => {
    const folder = await folderOf("no-index", "model-00001-of-00002.safetensors");
    await refuses(() => openCheckpoint(folder, "model"), /shard model-00001-of-00002\.safetensors but not its index/);
  });

  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
  const index = "model.safetensors.index.json";
  const sharded: [string, Record<string, string>, RegExp][] = [
    [
      "a missing shard",
      { t0: shards[0], t1: "model-00003-of-00003.safetensors" },
      /lacks model-00003-of-00003\.safetensors/,
    ],
    [
      "a tensor that its shard lacks",
      { t0: shards[0], t1: shards[1], t2: shards[1] },
      /00002\.safetensors does not hold "t2"/,
    ],
    [
      "a tensor that the index lacks",
      { t0: shards[0], x: shards[1] },
      /holds "t1", which the index does not list there/,
    ],
    ["a tensor in another shard than the index says", { t0: shards[1], t1: shards[0] }, /holds "t0", which/],
    ["a shard in another folder", { t0: `../sharded/${shards[0]}` }, /not a plain file name/],
    ["a shard with a backslash", { t0: `..\\${shards[0]}` }, /not a plain file name/],
    ["a shard at an absolute path", { t0: `/tmp/${shards[0]}` }, /not a plain file name/],
    ["a shard with two dots in its name", { t0: "model..safetensors" }, /not a plain file name/],
    ["a shard that is not a safetensors file", { t0: "model.bin" }, /not a plain file name/],
    ["no tensors", {}, /names no tensors/],
  ];
  for (const [name, weightMap, pattern] of sharded) {
    it(name, async () => {
      const folder = await folderOf("sharded", ...shards);
      await writeIndex(folder, index, weightMap);
      await refuses(() => openCheckpoint(folder, "model"), /sharded/, pattern);
    });
  }

  it("a malformed index", async () => {
    const folder = await folderOf("bad-index", ...shards);
    await writeFile(join(folder, index), "{");
    await refuses(() => openCheckpoint(folder, "model"), /index\.json is not JSON/);
    await writeFile(join(folder, index), '{"weight_map":{"t0":1}}');
    await refuses(() => openCheckpoint(folder, "model"), /is not an index of shards/);
  });
});

describe("openCheckpoint with pipelines that diffusers saved", () => {
  const folder = [fixture("parity"), shared("parity")].find((path) => path !== undefined && existsSync(path));
  const skip = folder === undefined ? "no parity pipelines here" : false;
  const components: [string, string, CheckpointStem, number][] = [
    ["sd15", "unet", stem, 1],
    ["sd15", "text_encoder", "model", 1],
    ["sdxl", "unet", stem, 1],
    ["sdxl", "text_encoder_2", "model", 1],
    ["sd3", "transformer", stem, 1],
    ["sd35", "transformer", stem, 22],
    ["sd35", "vae", stem, 10],
    ["sd35", "text_encoder_3", "model", 5],
  ];
  for (const [family, component, name, files] of components) {
    it(`${family} ${component}`, { skip }, async () => {
      const source = await openCheckpoint(join(folder ?? "", family, "pipeline", component), name);
      assert.equal(new Set([...source.tensors.values()].map(({ file }) => file)).size, files);
      assert.ok(source.tensors.size > 10);
      assert.equal(source.metadata.format, "pt");
      for (const stored of source.tensors.values()) {
        const { data } = await readTensor(stored);
        assert.ok(data.every(Number.isFinite), `${stored.name} is finite`);
      }
    });
  }

  it("names the file and the tensor of a damaged download", { skip }, async () => {
    await cp(join(folder ?? "", "sd35", "pipeline", "vae"), at("vae"), { recursive: true });
    const shard = at("vae", `${stem}-00005-of-00010.safetensors`);
    const bytes = await readFile(shard);
    // Removed first, since the fixture may be read-only.
    await rm(shard);
    await writeFile(shard, bytes.subarray(0, bytes.length - 100));
    await refuses(
      () => openCheckpoint(at("vae"), stem),
      /00005-of-00010\.safetensors is cut short: tensor "[a-z_.0-9]+" ends at byte \d+, the file has \d+/,
    );
    await rename(shard, at("vae", "elsewhere"));
    await refuses(() => openCheckpoint(at("vae"), stem), /lacks diffusion_pytorch_model-00005-of-00010\.safetensors/);
    await assert.rejects(() => openSafetensors(shard));
  });
});
