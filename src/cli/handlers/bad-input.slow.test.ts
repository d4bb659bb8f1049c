import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import { crc32 } from "node:zlib";
import { floatTensor } from "../../core/tensor.js";
import { writeSoftTokens } from "../../softtokens/formats/index.js";
import type { SoftTokens } from "../../softtokens/softtokens.js";
import {
  eventsOf,
  model,
  namesIn,
  refusesTo,
  scratchFolder,
  small,
  smallTokens,
  softrepa,
  writeTestImages,
} from "../../testing/cli/support.js";
import { changeJson, changeTensors, copyPipeline, weightFile } from "../../testing/pipelines/support.js";
import { shared } from "../../testing/weights/support.js";

const at = await scratchFolder();
await writeTestImages(at("images"));
let outs = 0;

/** Checks that `generate` fails with one line and writes no image. */
async function noImage(args: readonly string[], code: number, ...patterns: readonly RegExp[]): Promise<void> {
  const out = at("out", String(++outs));
  await refusesTo(["generate", "--prompt", "x", "--steps", "1", "--out", `${out}/x.png`, ...args], code, ...patterns);
  assert.deepEqual(await namesIn(out), []);
}

/** Checks that `train` fails with one line and creates no run folder. */
async function noRun(args: readonly string[], code: number, ...patterns: readonly RegExp[]): Promise<void> {
  const out = at("out", String(++outs));
  await refusesTo(["train", "--steps", "1", "--layers", "2", "--out", out, ...args], code, ...patterns);
  assert.deepEqual(await namesIn(out), []);
}

/** Options with a copy of a pipeline that `damage` has changed. */
async function damagedModel(damage: (folder: string) => Promise<unknown>): Promise<string[]> {
  const folder = await copyPipeline("sd3", at(`model-${++outs}`));
  await damage(folder);
  return ["--model", folder, ...small];
}

describe("a model that cannot be used", { concurrency: 2 }, () => {
  const cases: [string, (folder: string) => Promise<unknown>, ...RegExp[]][] = [
    ["is no pipeline folder", (folder) => rm(`${folder}/model_index.json`), /is not a diffusers pipeline folder/],
    [
      "is of a class that is not supported",
      (folder) => changeJson(`${folder}/model_index.json`, { _class_name: "FluxPipeline" }),
      /is a FluxPipeline, which is not supported \(supported: .*StableDiffusion3Pipeline.*\)/,
    ],
    [
      "has a broken model_index.json",
      (folder) => writeFile(`${folder}/model_index.json`, '{"_class_name": '),
      /is not a diffusers pipeline folder: .*JSON/,
    ],
    [
      "has a wrong type in a configuration",
      (folder) => changeJson(`${folder}/transformer/config.json`, { num_layers: "four" }),
      /transformer.config\.json: "num_layers": .*expected number, received string/,
    ],
    [
      "lacks a weight file",
      (folder) => rm(weightFile(folder, "vae")),
      /vae has no diffusion_pytorch_model\.safetensors/,
    ],
    [
      "has a truncated weight file",
      async (folder) => {
        const file = weightFile(folder, "transformer");
        await writeFile(file, (await readFile(file)).subarray(0, -1000));
      },
      /transformer.*safetensors is cut short: tensor ".*" ends at byte \d+, the file has \d+/,
    ],
    [
      "has a tensor of the wrong shape",
      (folder) =>
        changeTensors(weightFile(folder, "text_encoder"), (tensors) =>
          tensors.set("text_model.final_layer_norm.bias", floatTensor([5])),
        ),
      /text_encoder: text_model\.final_layer_norm\.bias has shape \[5\], the configuration requires \[\d+\]/,
    ],
    [
      "lacks a tensor",
      (folder) => changeTensors(weightFile(folder, "vae"), (tensors) => tensors.delete("decoder.conv_out.bias")),
      /vae: the tensor decoder\.conv_out\.bias is missing/,
    ],
    [
      "has an unexpected tensor",
      (folder) => changeTensors(weightFile(folder, "vae"), (tensors) => tensors.set("extra", floatTensor([1]))),
      /vae: 1 tensors do not belong to the configured model: extra/,
    ],
  ];
  for (const [name, damage, ...patterns] of cases) {
    it(name, async () => noImage(await damagedModel(damage), 1, ...patterns));
  }

  it("is rejected by train and score too", async () => {
    const broken = await damagedModel((folder) => rm(weightFile(folder, "text_encoder_3")));
    await noRun([...broken, "--data", at("images")], 1, /text_encoder_3 has no model\.safetensors/);
    await refusesTo(["score", ...broken, "--data", at("images")], 1, /text_encoder_3 has no model\.safetensors/);
  });
});

/** A zip of one stored file `archive/data.pkl`, as torch.save makes it, around a pickle that calls os.system. */
function maliciousPickle(): Buffer {
  const pickle = Buffer.from("\x80\x02cos\nsystem\nX\x0a\0\0\0touch /tmp/\x85R.", "latin1");
  const name = Buffer.from("archive/data.pkl");
  const crc = crc32(pickle);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  for (const [header, start] of [
    [local, 14],
    [central, 16],
  ] as const) {
    header.writeUInt32LE(crc, start);
    header.writeUInt32LE(pickle.length, start + 4);
    header.writeUInt32LE(pickle.length, start + 8);
    header.writeUInt16LE(name.length, start + 12);
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length + name.length, 12);
  end.writeUInt32LE(local.length + name.length + pickle.length, 16);
  return Buffer.concat([local, name, pickle, central, name, end]);
}

describe("tokens that cannot be used", { concurrency: 2 }, () => {
  before(() => mkdir(at("tokens"), { recursive: true }));
  const tokens = smallTokens();
  const file = async (name: string, content: SoftTokens | Uint8Array): Promise<string[]> => {
    const path = at("tokens", name);
    if (content instanceof Uint8Array) await writeFile(path, content);
    else await writeSoftTokens(path, content, "softrepa");
    return [...model, "--tokens", path];
  };

  it("are a pickle that would run a program", async () => {
    await noImage(await file("dc_tokens.pth", maliciousPickle()), 1, /dc_tokens\.pth/, /os\.system/);
  });

  it("are random bytes", async () => {
    const bytes = Uint8Array.from({ length: 4096 }, (_, i) => (i * 7919) % 251);
    await noImage(await file("random.safetensors", bytes), 1, /random\.safetensors is not a safetensors file/);
    await noImage(await file("random.pth", bytes), 1, /random\.pth is not a PyTorch file/);
  });

  it("belong to another model; the error names both widths", async (t) => {
    const both = /tokens are 1536 wide, this pipeline's text stream is 32 \(projected\) or 48 \(raw\)/;
    const wide = { ...tokens, tokens: floatTensor([5, 4, 1536]), timeTable: floatTensor([100, 7680]) };
    await noImage(await file("wide.safetensors", wide), 1, both);
    const official = shared("official-tokens", "sd3");
    if (official === undefined) t.diagnostic("official tokens are absent: only generated ones were tried");
    else await noImage([...model, "--tokens", official], 1, both);
  });

  it("have a time table that does not fit", async () => {
    const other = { ...tokens, timeTable: floatTensor([10, 2 * 48]) };
    await noImage(
      await file("table.safetensors", other),
      1,
      /time table is 48 wide per layer, this pipeline's text stream is 32/,
    );
  });

  it("are for more layers than there are blocks", async () => {
    const deep = { ...tokens, tokens: floatTensor([5, 3, 32]), timeTable: null };
    await noImage(await file("deep.safetensors", deep), 1, /tokens are for 5 layers, this pipeline has 4/);
    const args = ["--data", at("images"), ...model, "--layers", "9"];
    await noRun(args, 2, /--layers 9 is more than the model's 4 blocks/);
  });

  it("contain non-finite values", async () => {
    const broken = { ...tokens, tokens: floatTensor([2, 3, 32], new Float32Array(192).fill(Number.NaN)) };
    const [out, args] = [at("out", "nan"), await file("nan.safetensors", broken)];
    const tried = ["generate", "--prompt", "x", "--steps", "1", "--out", `${out}/x.png`, ...args, "--json"];
    const { code, stdout } = await softrepa(tried);
    assert.equal(code, 1);
    assert.match(String(eventsOf(stdout).at(-1)?.message), /NaN/);
    assert.deepEqual(await namesIn(out), []);
  });
});

describe("data that cannot be used", { concurrency: 2 }, () => {
  const data = async (name: string, files: Readonly<Record<string, string>>): Promise<string[]> => {
    await writeTestImages(at(name));
    for (const [file, text] of Object.entries(files)) await writeFile(at(name, file), text);
    return ["--data", at(name), ...model];
  };

  it("is a text file named as an image", async () => {
    const args = await data("none", { "red-circle.png": "an image of a red circle" });
    await noRun(args, 1, /red-circle\.png is not a png, jpeg or webp image/);
  });

  it("is an empty folder", async () => {
    await mkdir(at("empty"));
    await noRun(["--data", at("empty"), ...model], 1, /data folder .*empty holds no png, jpeg or webp image/);
  });

  it("is a caption file without its image", async () => {
    await mkdir(at("caption"));
    await writeFile(at("caption", "cat.txt"), "a cat");
    await noRun(["--data", at("caption"), ...model], 1, /caption file .*cat\.txt has no png, jpeg or webp image/);
    const metadata = await data("metadata", { "metadata.jsonl": '{"file_name": "cat.png", "text": "a cat"}\n' });
    await noRun(metadata, 1, /metadata\.jsonl line 1: there is no image cat\.png/);
  });
});

describe("an impossible command", { concurrency: 2 }, () => {
  it("has an unknown option", async () => {
    await noImage([...model, "--sede", "7"], 2, /unknown option '--sede' \(Did you mean --seed\?\)/);
  });

  it("has an output folder that cannot be written", async () => {
    await writeFile(at("in-the-way"), "x");
    const inside = at("in-the-way", "out");
    const why = /cannot write into .*in-the-way.*: .*in-the-way is not a folder/;
    await refusesTo(["generate", ...model, "--prompt", "x", "--out", inside], 1, why);
    await refusesTo(["train", ...model, "--data", at("images"), "--out", inside], 1, why);
    assert.equal(await readFile(at("in-the-way"), "utf8"), "x");
  });

  it("requests a size that the model does not support", async () => {
    await noImage([...model, "--width", "60"], 2, /--width 60 does not fit .*: it must be a multiple of 8/);
    const large = ["generate", ...model, "--prompt", "x", "--out", at("out", "large.png"), "--width", "104", "--json"];
    const { code, stdout } = await softrepa(large);
    assert.equal(code, 1);
    assert.match(String(eventsOf(stdout).at(-1)?.message), /do not fit this transformer: .* at most 24/);
    assert.ok(!(await namesIn(at("out"))).includes("large.png"));
  });

  // dml exists on Windows only.
  for (const provider of process.platform === "linux" ? ["dml"] : []) {
    it(`requests the provider ${provider}, which this system does not have`, async () => {
      await noImage(
        [...model, "--provider", provider],
        1,
        new RegExp(`^softrepa: provider ${provider} cannot [^:]+: .*\\[${provider}\\] backend not found`),
      );
    });
  }

  it("requests a GPU, which works or is rejected", async () => {
    const out = at("out", "cuda");
    const args = ["generate", ...model, "--prompt", "x", "--steps", "1", "--provider", "cuda", "--out", `${out}/x.png`];
    const { code, stderr } = await softrepa(args);
    if (code === 0) return;
    assert.equal(code, 1);
    assert.match(stderr, /^softrepa: provider cuda cannot [^\n]+\n$/);
    assert.deepEqual(await namesIn(out), []);
  });
});
