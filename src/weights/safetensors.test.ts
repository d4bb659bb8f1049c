import assert from "node:assert/strict";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Tensor } from "../core/tensor.js";
import { repetitions } from "../testing/core/repetitions.js";
import { awkward, bitsOf, refuses, survives, temporaryFolder } from "../testing/weights/support.js";
import { openWeightFile } from "./open-weights.js";
import { openSafetensors, readTensor, writeSafetensors } from "./safetensors.js";
import type { StoredTensor } from "./source.js";

const at = temporaryFolder();

/** A file with the given header (string or JSON) and data. */
function assemble(header: unknown, data: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

async function opening(bytes: Uint8Array): Promise<() => Promise<unknown>> {
  const file = at("case.safetensors");
  await writeFile(file, bytes);
  return () => openSafetensors(file);
}

async function readAll(file: string): Promise<Map<string, { shape: readonly number[]; values: readonly number[] }>> {
  const { tensors } = await openSafetensors(file);
  const read = async ([name, stored]: [string, StoredTensor]) => {
    const { shape, data } = await readTensor(stored);
    return [name, { shape, values: [...data] }] as const;
  };
  return new Map(await Promise.all([...tensors].map(read)));
}

describe("safetensors", () => {
  it("keeps every element type, bit for bit", async () => {
    const file = at("types.safetensors");
    const half = Uint16Array.of(0, 0x8000, 0x3c00, 0x7e01, 0x0001, 0xfc00);
    const tensors = new Map<string, Tensor>([
      ["half", { dtype: "float16", shape: [6], data: half }],
      ["brain", { dtype: "bfloat16", shape: [2, 3], data: half }],
      ["single", { dtype: "float32", shape: [3, 4], data: awkward }],
      ["whole", { dtype: "int64", shape: [3], data: BigInt64Array.of(-1n, 2n ** 62n, 7n) }],
      ["truth", { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) }],
      ["scalar", { dtype: "float32", shape: [], data: Float32Array.of(2.5) }],
      ["nothing", { dtype: "float32", shape: [0, 4], data: new Float32Array() }],
    ]);
    await writeSafetensors(file, tensors, { b: "2", a: "1" });
    const source = await openSafetensors(file);
    assert.deepEqual(source.metadata, { a: "1", b: "2" });
    assert.deepEqual(new Set(source.tensors.keys()), new Set(tensors.keys()));
    const bytes = await readFile(file);
    for (const [name, { shape, data }] of tensors) {
      const stored = source.tensors.get(name);
      assert.ok(stored, name);
      assert.deepEqual(stored.shape, shape);
      assert.equal(stored.offset % data.BYTES_PER_ELEMENT, 0, `${name} is aligned`);
      assert.deepEqual(bytes.subarray(stored.offset, stored.offset + stored.length), Buffer.from(data.buffer), name);
    }
    const single = source.tensors.get("single");
    assert.ok(single);
    assert.deepEqual(bitsOf((await readTensor(single)).data), bitsOf(awkward));
    const values = await readAll(file);
    assert.deepEqual(values.get("half")?.values, [0, -0, 1, Number.NaN, 2 ** -24, Number.NEGATIVE_INFINITY]);
    assert.deepEqual(values.get("whole")?.values, [-1, 2 ** 62, 7]);
    assert.deepEqual(values.get("truth")?.values, [1, 0, 1]);
  });

  it("writes the same bytes for any order of tensors and metadata", async () => {
    const tensor = (value: number): Tensor => ({ dtype: "float32", shape: [1], data: Float32Array.of(value) });
    await writeSafetensors(
      at("a"),
      new Map([
        ["x", tensor(1)],
        ["10", tensor(2)],
        ["y", tensor(3)],
      ]),
      { p: "1", q: "2" },
    );
    await writeSafetensors(
      at("b"),
      new Map([
        ["y", tensor(3)],
        ["x", tensor(1)],
        ["10", tensor(2)],
      ]),
      { q: "2", p: "1" },
    );
    assert.deepEqual(await readFile(at("a")), await readFile(at("b")));
    assert.equal((await readFile(at("a"))).readBigUInt64LE() % 8n, 0n);
  });

  it("keeps any names, shapes and values", async () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
    const names = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((name) => !name.startsWith("__"));
    const tensor = shapes.chain((shape) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const bits = fc.array(fc.integer({ min: 0, max: 0xffffffff }), { minLength: size, maxLength: size });
      return bits.map(
        (values): Tensor => ({ dtype: "float32", shape, data: new Float32Array(Uint32Array.from(values).buffer) }),
      );
    });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, tensor, { noNullPrototype: true }), async (object) => {
        const file = at("any.safetensors");
        await writeSafetensors(file, new Map(Object.entries(object)));
        const { tensors } = await openSafetensors(file);
        assert.equal(tensors.size, Object.keys(object).length);
        for (const [name, { shape, data }] of Object.entries(object)) {
          const stored = tensors.get(name);
          assert.ok(stored, name);
          const read = await readTensor(stored);
          assert.deepEqual(read.shape, shape);
          assert.deepEqual(bitsOf(read.data), bitsOf(data as Float32Array));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("reads every integer and float type", async () => {
    const types = {
      F64: Float64Array,
      F32: Float32Array,
      I64: BigInt64Array,
      I32: Int32Array,
      I16: Int16Array,
      I8: Int8Array,
    };
    for (const [dtype, View] of Object.entries(types)) {
      const data = View === BigInt64Array ? BigInt64Array.of(-3n, 100n) : (View as Float64ArrayConstructor).of(-3, 100);
      const bytes = new Uint8Array(data.buffer);
      await writeFile(
        at("one.safetensors"),
        assemble({ x: { dtype, shape: [2], data_offsets: [0, bytes.length] } }, bytes),
      );
      assert.deepEqual((await readAll(at("one.safetensors"))).get("x")?.values, [-3, 100], dtype);
    }
  });

  it("resolves symbolic links", async () => {
    await mkdir(at("blobs"), { recursive: true });
    await writeSafetensors(
      at("blobs", "0123"),
      new Map([["x", { dtype: "float32", shape: [1], data: Float32Array.of(4) }]]),
    );
    await symlink(at("blobs", "0123"), at("linked.safetensors"));
    const source = await openSafetensors(at("linked.safetensors"));
    assert.match(source.tensors.get("x")?.file ?? "", /blobs\/0123$/);
    assert.equal(source.origin, at("linked.safetensors"));
  });

  it("does not write invalid files", async () => {
    const x: Tensor = { dtype: "float32", shape: [1], data: Float32Array.of(4) };
    await refuses(() => writeSafetensors(at("x"), new Map([["__metadata__", x]])), /__metadata__/);
    await assert.rejects(() => writeSafetensors(at("x"), new Map([["x", { ...x, shape: [2] }]])), RangeError);
  });
});

describe("openSafetensors rejects", () => {
  const four = new Uint8Array(4);
  const x = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
  const cases: [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(), /not a safetensors file.*0 bytes/],
    ["a text", Buffer.from("a text, not a safetensors file"), /not a safetensors file/],
    [
      "a header that ends beyond the file",
      assemble({ x }).subarray(0, 30),
      /cut short: the header ends at byte \d+, the file has 30/,
    ],
    ["a header that is not JSON", assemble("{nonsense"), /not JSON/],
    ["a header that does not start with {", assemble(" {}"), /does not begin with \{/],
    [
      "a header that is not UTF-8",
      Buffer.concat([assemble("{}").subarray(0, 8), Buffer.from([0x7b, 0xff])]),
      /not JSON/,
    ],
    ["metadata other than strings", assemble({ __metadata__: { a: 1 } }), /__metadata__ is malformed.*\(at a\)/],
    ["an unknown type", assemble({ x: { ...x, dtype: "F8_E4M3" } }, four), /"x" is of type "F8_E4M3"/],
    ["a missing field", assemble({ x: { dtype: "F32", shape: [1] } }, four), /"x" is malformed/],
    ["a negative size", assemble({ x: { ...x, shape: [-1] } }, four), /"x" is malformed/],
    ["a fractional size", assemble({ x: { ...x, shape: [1.5] } }, four), /"x" is malformed/],
    [
      "an infinite size",
      assemble('{"x":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}', four),
      /"x" is malformed/,
    ],
    ["sizes that overflow", assemble({ x: { ...x, shape: Array(40).fill(2 ** 53 - 1) } }, four), /"x" should take/],
    [
      "a length that does not match the shape",
      assemble({ x: { ...x, shape: [2] } }, four),
      /"x" should take 8 bytes as F32\[2\], its offsets say 4/,
    ],
    ["offsets in the wrong order", assemble({ x: { ...x, data_offsets: [4, 0] } }, four), /"x" should take/],
    ["tensors that overlap", assemble({ x, y: x }, four), /"y" overlaps/],
    ["a gap", assemble({ x, y: { ...x, data_offsets: [8, 12] } }, new Uint8Array(12)), /"y" leaves a gap/],
    ["bytes outside of all tensors", assemble({ x }, new Uint8Array(5)), /1 bytes that belong to no tensor/],
    [
      "a truncated tensor",
      assemble({ x }, new Uint8Array(3)),
      /cut short: tensor "x" ends at byte 66, the file has 65/,
    ],
  ];
  for (const [name, bytes, pattern] of cases) {
    it(name, async () => refuses(await opening(bytes), /case\.safetensors/, pattern));
  }

  it("a header of more than 100 MB", async () => {
    const bytes = assemble({ x }, four);
    bytes.writeBigUInt64LE(100_000_001n);
    await refuses(await opening(bytes), /does not begin with the length of a header/);
  });

  it("a missing file and a folder", async () => {
    await refuses(() => openSafetensors(at("none.safetensors")), /no such file.*none\.safetensors/);
    await refuses(() => openSafetensors(at(".")), /is a folder/);
  });

  it("a file that shrank after it was opened", async () => {
    const file = at("shrinks.safetensors");
    await writeFile(file, assemble({ x }, four));
    const stored = (await openSafetensors(file)).tensors.get("x");
    await writeFile(file, assemble({ x }, new Uint8Array(2)));
    assert.ok(stored);
    await refuses(() => readTensor(stored), /shrinks\.safetensors is cut short: tensor "x"/);
  });
});

describe("openSafetensors returns or throws an InputError for", () => {
  const everything = async (bytes: Uint8Array) => {
    await writeFile(at("fuzz.safetensors"), bytes);
    await survives(() => readAll(at("fuzz.safetensors")));
  };

  it("random bytes", () =>
    fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), everything), { numRuns: repetitions(200) }));

  it("random JSON in the header", () =>
    fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 4 }), fc.uint8Array({ maxLength: 20 }), (json, data) =>
        everything(assemble(json, data)),
      ),
      { numRuns: repetitions(200) },
    ));

  it("almost valid entries", () => {
    const entry = fc.record({
      dtype: fc.constantFrom("F32", "F16", "U8", "BOOL", "", "f32"),
      shape: fc.array(fc.oneof(fc.integer({ min: -1, max: 4 }), fc.double())),
      data_offsets: fc.array(fc.integer({ min: -1, max: 16 }), { minLength: 1, maxLength: 3 }),
    });
    const header = fc.dictionary(
      fc.oneof(fc.string(), fc.constantFrom("__metadata__", "__proto__", "constructor")),
      entry,
    );
    return fc.assert(
      fc.asyncProperty(header, fc.uint8Array({ maxLength: 20 }), (object, data) => everything(assemble(object, data))),
      { numRuns: repetitions(300) },
    );
  });

  it("a valid file with changed or missing bytes", async () => {
    const good = assemble(
      {
        __metadata__: { format: "pt" },
        a: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
        b: { dtype: "F16", shape: [4], data_offsets: [24, 32] },
      },
      new Uint8Array(32),
    );
    const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.nat(good.length), async (changes, length) => {
        const bytes = Uint8Array.from(good);
        for (const [index, value] of changes) bytes[index] = value;
        await everything(bytes.subarray(0, changes.length === 0 ? length : good.length));
      }),
      { numRuns: repetitions(400) },
    );
  });
});

it("names a Git LFS pointer as what it is", async () => {
  for (const name of ["pointer.safetensors", "pointer.ckpt"]) {
    await writeFile(at(name), `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 12345\n`);
    await assert.rejects(() => openWeightFile(at(name)), /is a Git LFS pointer, .*git lfs pull/);
  }
});
