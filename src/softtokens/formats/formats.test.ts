import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type FloatTensor, floatTensor } from "../../core/tensor.js";
import { awkward, bitsOf, refuses, shared, temporaryFolder } from "../../testing/weights/support.js";
import { writeSafetensors } from "../../weights/safetensors.js";
import { readTorchFile } from "../../weights/torch-file.js";
import { writeTorchStateDict, writeTorchTensor } from "../../weights/torch-write.js";
import type { SoftTokens } from "../softtokens.js";
import { formatNames, openSoftTokens, readSoftTokens, writeSoftTokens } from "./index.js";

const at = temporaryFolder();

function ramp(shape: readonly number[], start = 0): FloatTensor {
  const tensor = floatTensor(shape);
  tensor.data.forEach((_, i) => {
    tensor.data[i] = (i - start) / 7;
  });
  // Values whose bits only an exact copy preserves.
  tensor.data.set(awkward.subarray(0, tensor.data.length));
  return tensor;
}

function assertSame(actual: SoftTokens, expected: SoftTokens, what: string): void {
  assert.equal(actual.placement, expected.placement, what);
  for (const part of ["tokens", "timeTable"] as const) {
    assert.deepEqual(actual[part]?.shape, expected[part]?.shape, `${what}: ${part}`);
    const [a, b] = [actual[part], expected[part]];
    if (a && b) assert.deepEqual(bitsOf(a.data), bitsOf(b.data), `${what}: ${part}`);
  }
}

const metadata = { "softrepa.family": "sd3", note: "ünïcode \n two lines", __proto: "x" };
const samples: Readonly<Record<string, SoftTokens>> = {
  "layers with a time table": { placement: "prefix", tokens: ramp([3, 2, 8]), timeTable: ramp([10, 24], 3), metadata },
  "layers without one": { placement: "prefix", tokens: ramp([3, 2, 8]), timeTable: null, metadata: {} },
  "one layer": { placement: "prefix", tokens: ramp([1, 2, 8]), timeTable: ramp([10, 8]), metadata: {} },
  "a UNet's": { placement: "after-first", tokens: ramp([1, 4, 8]), timeTable: ramp([10, 8]), metadata },
  "a UNet's without a time table": { placement: "after-first", tokens: ramp([1, 4, 8]), timeTable: null, metadata: {} },
};

/** A path for each format; a folder name with a dot, as in the authors' `tokens/sd1.5`. */
const target = { softrepa: "t.safetensors", official: "tokens-1.5", comfy: "c.safetensors" } as const;

for (const format of formatNames) {
  describe(`the ${format} format`, () => {
    for (const [i, [name, tokens]] of Object.entries(samples).entries()) {
      it(`preserves ${name}`, async () => {
        const path = at(`${format}${i}`, target[format]);
        const files = await writeSoftTokens(path, tokens, format);
        const back = await openSoftTokens(path);
        assert.equal(back.format, format);
        assertSame(back.tokens, tokens, name);
        for (const file of files) assert.ok((await readFile(file)).length > 0);
        if (format === "softrepa") assert.deepEqual(back.tokens.metadata, tokens.metadata);
        if (format === "comfy")
          for (const [key, value] of Object.entries(tokens.metadata)) assert.equal(back.tokens.metadata[key], value);
      });
    }

    it("rejects tokens of invalid shapes", () =>
      refuses(
        () =>
          writeSoftTokens(
            at(target[format]),
            { placement: "prefix", tokens: ramp([4, 8]), timeTable: null, metadata: {} },
            format,
          ),
        /have the shape \[layers,count,width\]/,
      ));
  });
}

it("detects formats by content, not by name", async () => {
  const tokens = samples["layers with a time table"] as SoftTokens;
  await writeSoftTokens(at("comfy.data"), tokens, "comfy");
  await writeSoftTokens(at("own.data"), tokens, "softrepa");
  assert.equal((await openSoftTokens(at("comfy.data"))).format, "comfy");
  assert.equal((await openSoftTokens(at("own.data"))).format, "softrepa");
  await writeTorchTensor(at("dc_tokens.data"), ramp([1, 2, 3]));
  assert.equal((await openSoftTokens(at("dc_tokens.data"))).format, "official");
});

describe("raw-width tokens with a projected time table", () => {
  const tokens: SoftTokens = { placement: "prefix", tokens: ramp([3, 2, 12]), timeTable: ramp([10, 24]), metadata: {} };
  it("are preserved if the format allows it", async () => {
    for (const format of ["softrepa", "official"] as const) {
      await writeSoftTokens(at("raw", target[format]), tokens, format);
      assertSame(await readSoftTokens(at("raw", target[format])), tokens, format);
    }
  });
  it("are rejected otherwise", () =>
    refuses(() => writeSoftTokens(at("raw.safetensors"), tokens, "comfy"), /equal widths .* these are 12 and 8:/));
});

describe("softrepa files are rejected with", () => {
  const tokens = ramp([3, 2, 8]);
  const right = { "softrepa.format": "1", "softrepa.placement": "prefix" };
  const cases: [string, Record<string, FloatTensor>, Record<string, string>, RegExp][] = [
    [
      "a future version",
      { tokens },
      { ...right, "softrepa.format": "2" },
      /format version "2" is not supported, .*update/,
    ],
    ["no placement", { tokens }, { "softrepa.format": "1" }, /softrepa\.placement is null, not prefix or after-first/],
    [
      "an unknown placement",
      { tokens },
      { ...right, "softrepa.placement": "suffix" },
      /softrepa\.placement is "suffix"/,
    ],
    ["no tokens", { t_tokens: tokens }, right, /has no tensor named tokens/],
    ["another tensor", { tokens, other: tokens }, right, /the tensor "other" does not belong/],
    ["a table that does not fit", { tokens, t_tokens: ramp([10, 25]) }, right, /time table of 3-layer tokens/],
    ["no soft tokens at all", { weight: tokens }, {}, /contains no soft tokens: its metadata has no softrepa\.format/],
  ];
  for (const [name, tensors, header, pattern] of cases) {
    it(name, async () => {
      await writeSafetensors(at("bad.safetensors"), new Map(Object.entries(tensors)), header);
      await refuses(() => readSoftTokens(at("bad.safetensors")), /bad\.safetensors/, pattern);
    });
  }
});

describe("comfy files", () => {
  const tokens = ramp([3, 2, 8]);
  const offsets = ramp([10, 24]);
  const write = (tensors: Record<string, FloatTensor>, header: Record<string, string> = {}) =>
    writeSafetensors(at("anima.safetensors"), new Map(Object.entries(tensors)), header);

  it("are read as anima_lora writes them", async () => {
    const header = { ss_splice_position: "end_of_sequence", ss_contrastive_tau: "0.5", ss_n_layers: "3" };
    await write({ tokens, "t_offsets.weight": offsets }, header);
    const { format, tokens: read } = await openSoftTokens(at("anima.safetensors"));
    assert.equal(format, "comfy");
    assertSame(read, { placement: "prefix", tokens, timeTable: offsets, metadata: {} }, "anima");
    assert.deepEqual(read.metadata, header);
    // A round trip through softrepa's format preserves the node's settings.
    await writeSoftTokens(at("own.safetensors"), read, "softrepa");
    await writeSoftTokens(at("again.safetensors"), await readSoftTokens(at("own.safetensors")), "comfy");
    const again = await readSoftTokens(at("again.safetensors"));
    assert.equal(again.metadata.ss_splice_position, "end_of_sequence");
    assert.equal(again.metadata.ss_contrastive_tau, "0.5");
  });

  it("use the first of two banks of tokens and table", async () => {
    const banks = ramp([2, 3, 2, 8]);
    const table = ramp([10, 48]);
    await write({ tokens: banks, "t_offsets.weight": table });
    const read = await readSoftTokens(at("anima.safetensors"));
    assert.deepEqual(read.tokens.shape, [3, 2, 8]);
    assert.deepEqual(bitsOf(read.tokens.data), bitsOf(banks.data.subarray(0, 48)));
    assert.deepEqual(read.timeTable?.shape, [10, 24]);
    assert.deepEqual(read.timeTable?.data.subarray(24, 48), table.data.subarray(48, 72));
  });

  const cases: [string, Record<string, FloatTensor>, Record<string, string>, RegExp][] = [
    [
      "an unknown splice position",
      { tokens, "t_offsets.weight": offsets },
      { ss_splice_position: "middle" },
      /ss_splice_position is "middle", not front_of_padding or end_of_sequence/,
    ],
    [
      "no tokens",
      { "t_offsets.weight": offsets },
      {},
      /must contain exactly the tensors .*, it contains t_offsets\.weight$/,
    ],
    [
      "a table of another width",
      { tokens, "t_offsets.weight": ramp([10, 12]) },
      {},
      /t_offsets\.weight is 4 wide per layer, tokens are 8/,
    ],
    [
      "two banks and one table",
      { tokens: ramp([2, 3, 2, 8]), "t_offsets.weight": offsets },
      {},
      /\[10,24\] does not fit tokens \[2,3,2,8\]/,
    ],
  ];
  for (const [name, tensors, header, pattern] of cases) {
    it(`are rejected with ${name}`, async () => {
      await write(tensors, header);
      await refuses(() => readSoftTokens(at("anima.safetensors")), /anima\.safetensors/, pattern);
    });
  }
});

describe("official files", () => {
  const tokens = samples["layers with a time table"] as SoftTokens;

  it("are found by folder, file and the file names of training", async () => {
    const folder = at("run");
    await writeSoftTokens(join(folder, "dc_tokens_best.pth"), tokens, "official");
    assert.deepEqual((await readdir(folder)).sort(), ["dc_t_tokens_best.pth", "dc_tokens_best.pth"]);
    assertSame(await readSoftTokens(join(folder, "dc_tokens_best.pth")), tokens, "best");
    await refuses(() => readSoftTokens(folder), /run contains no soft tokens: the folder has no dc_tokens\.pth/);
    await writeSoftTokens(folder, tokens, "official");
    assertSame(await readSoftTokens(folder), tokens, "folder");
    assertSame(await readSoftTokens(join(folder, "dc_tokens.pth")), tokens, "file");
    await refuses(() => readSoftTokens(join(folder, "dc_t_tokens.pth")), /only the time table: use dc_tokens\.pth/);
  });

  it("are not written next to another time table", async () => {
    await writeSoftTokens(at("stale"), tokens, "official");
    await refuses(
      () => writeSoftTokens(at("stale"), { ...tokens, timeTable: null }, "official"),
      /dc_t_tokens\.pth exists/,
    );
    assertSame(await readSoftTokens(at("stale")), tokens, "untouched");
  });

  it("are rejected under names without a time table name", () =>
    refuses(() => writeSoftTokens(at("mine.pth"), tokens, "official"), /a folder or a file dc_tokens\*\.pth/));

  it("are rejected if they contain something else", async () => {
    await writeTorchStateDict(
      at("dc_tokens_dict.pth"),
      new Map([
        ["a", ramp([2, 2])],
        ["b", ramp([2, 2])],
      ]),
    );
    await refuses(() => readSoftTokens(at("dc_tokens_dict.pth")), /must contain one tensor, it contains "a", "b"/);
    await writeTorchTensor(at("dc_tokens_flat.pth"), ramp([8]));
    await refuses(() => readSoftTokens(at("dc_tokens_flat.pth")), /two or three dimensions, not \[8\]/);
    await writeFile(at("dc_tokens_text.pth"), "text");
    await refuses(() => readSoftTokens(at("dc_tokens_text.pth")), /is not a PyTorch file/);
    await refuses(() => readSoftTokens(at("nowhere")), /no such file or folder: .*nowhere/);
  });
});

describe("the authors' released tokens", () => {
  const folder = shared("official-tokens");
  const skip = folder === undefined ? "../shared/official-tokens is missing" : false;
  const released: [string, Partial<SoftTokens>, number[], number[] | undefined][] = [
    ["sd3", { placement: "prefix" }, [5, 4, 1536], [100, 7680]],
    ["sd1.5", { placement: "after-first" }, [1, 4, 768], [100, 768]],
    ["sdxl", { placement: "after-first" }, [1, 4, 2048], undefined],
  ];
  for (const [name, { placement }, shape, table] of released) {
    it(`${name}: are bit-identical after conversion to every format and back`, { skip }, async () => {
      const original = await readSoftTokens(join(folder ?? "", name));
      assert.equal(original.placement, placement);
      assert.deepEqual(original.tokens.shape, shape);
      assert.deepEqual(original.timeTable?.shape, table);
      for (const format of formatNames) {
        const there = at(`released-${name}-${format}`, target[format]);
        await writeSoftTokens(there, original, format);
        const back = at(`released-${name}-${format}`, "back");
        await writeSoftTokens(back, await readSoftTokens(there), "official");
        for (const file of ["dc_tokens.pth", ...(table ? ["dc_t_tokens.pth"] : [])]) {
          const [a, b] = await Promise.all([
            readTorchFile(join(folder ?? "", name, file)),
            readTorchFile(join(back, file)),
          ]);
          assert.deepEqual([...a.keys()], [...b.keys()]);
          for (const [key, { shape: expected, data }] of a) {
            assert.deepEqual(b.get(key)?.shape, expected);
            assert.deepEqual(bitsOf(b.get(key)?.data ?? new Float32Array()), bitsOf(data));
          }
        }
      }
    });
  }
});
