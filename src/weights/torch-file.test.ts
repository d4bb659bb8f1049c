import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { strToU8, zipSync } from "fflate";
import { awkward, bitsOf, fixture, refuses, temporaryFolder, tensorPickle } from "../testing/weights/support.js";
import { readTensor } from "./safetensors.js";
import { openTorchFile, readTorchFile } from "./torch-file.js";
import { writeTorchEmbedding, writeTorchParameter, writeTorchStateDict, writeTorchTensor } from "./torch-write.js";

const at = temporaryFolder();
const torch = (name: string) => fixture("torch", name);

async function values(file: string): Promise<Record<string, { shape: readonly number[]; data: readonly number[] }>> {
  const tensors = await readTorchFile(file);
  return Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, { shape, data: [...data] }]));
}

const count = (n: number, start = 0) => Array.from({ length: n }, (_, i) => i + start);

describe("files written by PyTorch", () => {
  it("reads a state dict of every type, with strides and offsets", async () => {
    const read = await values(torch("state-dict.pth"));
    for (const type of ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8"]) {
      assert.deepEqual(read[type], { shape: [2, 3], data: count(6, -2) }, type);
    }
    assert.deepEqual(read.uint8, { shape: [6], data: count(6) });
    assert.deepEqual(read.bool, { shape: [3], data: [1, 0, 1] });
    assert.deepEqual(read.scalar, { shape: [], data: [2.5] });
    assert.deepEqual(read.empty, { shape: [0, 4], data: [] });
    assert.deepEqual(read.base, { shape: [2, 3, 4], data: count(24) });
    const transposed = count(4).flatMap((k) => count(2).flatMap((i) => count(3).map((j) => 12 * i + 4 * j + k)));
    assert.deepEqual(read.transposed, { shape: [4, 2, 3], data: transposed });
    assert.deepEqual(read.column, { shape: [2, 2], data: [6, 10, 18, 22] });
    assert.equal(Object.keys(read).at(0), "float64");
  });

  it("reads a tensor that is part of its storage, in each pickle protocol", async () => {
    const part = { shape: [3, 4], data: count(12, 12) };
    assert.deepEqual(await values(torch("tensor.pth")), { "": part });
    assert.deepEqual(await values(torch("protocol4.pth")), { "": part });
    assert.deepEqual(await values(torch("protocol5.pth")), { a: part });
  });

  it("reads a parameter and an embedding module", async () => {
    assert.deepEqual(await values(torch("parameter.pth")), { "": { shape: [3, 4], data: count(12) } });
    assert.deepEqual(await values(torch("embedding.pth")), { weight: { shape: [5, 3], data: count(15) } });
  });

  it("reads only the state dict of a training checkpoint", async () => {
    assert.deepEqual(await values(torch("checkpoint.pth")), {
      weight: { shape: [2, 2], data: [1, 2, 3, 4] },
      bias: { shape: [2], data: [5, 6] },
    });
  });

  it("opens tensors without reading them", async () => {
    for (const name of ["tensor.pth", "protocol5.pth", "parameter.pth", "embedding.pth", "checkpoint.pth"]) {
      const all = await readTorchFile(torch(name));
      const source = await openTorchFile(torch(name));
      assert.deepEqual([...source.tensors.keys()], [...all.keys()]);
      for (const [key, stored] of source.tensors) assert.deepEqual(await readTensor(stored), all.get(key));
    }
    await refuses(() => openTorchFile(torch("state-dict.pth")), /"transposed" is not contiguous/);
  });

  it("rejects unsupported content by name", async () => {
    await refuses(() => readTorchFile(torch("torchscript.pt")), /torchscript\.pt is a TorchScript program/);
    await refuses(
      () => readTorchFile(torch("module.pth")),
      /refuses to load the global "torch\.nn\.modules\.linear\.Linear"/,
    );
    await refuses(() => readTorchFile(torch("expanded.pth")), /repeats its storage of 1 elements/);
  });
});

describe("files written by softrepa", () => {
  it("are read back bit for bit", async () => {
    const tensor = { dtype: "float32", shape: [3, 4], data: awkward } as const;
    for (const [write, name] of [
      [writeTorchTensor, ""],
      [writeTorchParameter, ""],
      [writeTorchEmbedding, "weight"],
    ] as const) {
      await write(at("written.pth"), tensor);
      const back = (await readTorchFile(at("written.pth"))).get(name);
      assert.ok(back);
      assert.deepEqual(back.shape, [3, 4]);
      assert.deepEqual(bitsOf(back.data), bitsOf(awkward));
    }
  });

  it("keep the order, names and shapes of a state dict", async () => {
    const tensors = new Map(
      ["b.weight", "a.bias", "é", "empty", "scalar"].map((name, i) => {
        const shape = name === "empty" ? [0, 2] : name === "scalar" ? [] : [i + 1, 300];
        const size = shape.reduce((product, length) => product * length, 1);
        return [name, { dtype: "float32", shape, data: Float32Array.from(count(size, i)) }] as const;
      }),
    );
    await writeTorchStateDict(at("state.pth"), tensors);
    assert.deepEqual(await readTorchFile(at("state.pth")), tensors);
  });

  it("are the same bytes each time", async () => {
    const tensor = { dtype: "float32", shape: [3, 4], data: awkward } as const;
    await writeTorchEmbedding(at("one.pth"), tensor);
    await writeTorchEmbedding(at("two.pth"), tensor);
    assert.deepEqual(await readFile(at("one.pth")), await readFile(at("two.pth")));
  });
});

async function zipped(entries: Record<string, Uint8Array>, level: 0 | 9 = 0): Promise<() => Promise<unknown>> {
  await writeFile(at("case.pth"), zipSync(entries, { level }));
  return () => readTorchFile(at("case.pth"));
}

describe("readTorchFile rejects tensors that do not fit their storage", () => {
  const four = new Uint8Array(16);
  const cases: [string, Parameters<typeof tensorPickle>[0], RegExp][] = [
    ["a shape beyond the storage", { shape: [5] }, /reaches outside its storage of 4 elements/],
    ["an offset beyond the storage", { offset: 1 }, /reaches outside/],
    ["strides beyond the storage", { shape: [2, 2], stride: [3, 1] }, /reaches outside/],
    ["a negative offset", { offset: -1 }, /lacks a storage, offset, shape or strides/],
    ["a negative size", { shape: [-4] }, /lacks a storage/],
    ["a negative stride", { offset: 3, stride: [-1] }, /lacks a storage/],
    ["fewer strides than sizes", { shape: [2, 2] }, /lacks a storage/],
    ["too many dimensions", { shape: Array(65).fill(1), stride: Array(65).fill(1) }, /lacks a storage/],
    [
      "elements repeated without end",
      { shape: Array(40).fill(2 ** 30), stride: Array(40).fill(0) },
      /repeats its storage/,
    ],
    ["a storage that claims more than its entry has", { numbers: 5 }, /should have 20 bytes, it has 16/],
    ["a storage that claims less than its entry has", { numbers: 3, shape: [3] }, /should have 12 bytes, it has 16/],
    ["a storage of another type", { type: "DoubleStorage" }, /should have 32 bytes, it has 16/],
    ["a missing storage", { key: "7" }, /storage "archive\/data\/7" of tensor "" is missing/],
    [
      "a storage outside the data folder",
      { key: "../version" },
      /storage "archive\/data\/\.\.\/version" of tensor "" is missing/,
    ],
    ["an unknown type of storage", { type: "QInt8Storage" }, /refuses to load the global "torch\.QInt8Storage"/],
  ];
  for (const [name, fields, pattern] of cases) {
    it(name, async () => {
      const entries = {
        "archive/data.pkl": tensorPickle(fields),
        "archive/version": strToU8("3"),
        "archive/data/0": four,
      };
      await refuses(await zipped(entries), /case\.pth/, pattern);
    });
  }

  it("many tensors that share one storage", async () => {
    const one = tensorPickle({ numbers: 4096, shape: [4096] }).subarray(2, -1);
    const items = count(500).map((i) =>
      Buffer.concat([Buffer.from("X\x04\0\0\0"), Buffer.from(String(1000 + i)), one]),
    );
    const dict = Buffer.concat([Buffer.from("}("), ...items, Buffer.from("u.")]);
    const call = await zipped({ "a/data.pkl": dict, "a/data/0": new Uint8Array(4 * 4096) });
    await refuses(call, /claim 2048000 elements, more than a file of \d+ bytes can hold/);
  });
});
