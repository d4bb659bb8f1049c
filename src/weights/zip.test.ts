import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import { strToU8, unzipSync, zipSync } from "fflate";
import { repetitions } from "../testing/core/repetitions.js";
import { fixture, refuses, survives, temporaryFolder, tensorPickle } from "../testing/weights/support.js";
import { openTorchFile, readTorchFile } from "./torch-file.js";

const at = temporaryFolder();
const torch = (name: string) => fixture("torch", name);

async function zipped(entries: Record<string, Uint8Array>, level: 0 | 9 = 0): Promise<() => Promise<unknown>> {
  await writeFile(at("case.pth"), zipSync(entries, { level }));
  return () => readTorchFile(at("case.pth"));
}

describe("readTorchFile rejects", () => {
  const good = { "archive/data.pkl": tensorPickle({}), "archive/data/0": new Uint8Array(16) };
  const cases: [string, Record<string, Uint8Array>, RegExp][] = [
    ["no data.pkl", { "archive/other": new Uint8Array(3) }, /without data\.pkl/],
    ["no entries", {}, /not a zip archive/],
    ["big-endian storages", { ...good, "archive/byteorder": strToU8("big") }, /byte order "big"/],
    ["no tensors", { "archive/data.pkl": strToU8("}.") }, /holds no tensors/],
  ];
  for (const [name, entries, pattern] of cases)
    it(name, async () => refuses(await zipped(entries), /case\.pth/, pattern));

  it("compressed entries", async () =>
    refuses(await zipped(good, 9), /"archive\/data\.pkl" is compressed or encrypted/));

  it("two entries of one name", async () => {
    const bytes = Buffer.from(zipSync({ ...good, "archive/data/1": new Uint8Array(16) }, { level: 0 }));
    const other = Buffer.from("archive/data/1");
    for (let found = bytes.indexOf(other); found >= 0; found = bytes.indexOf(other))
      bytes.write("0", found + other.length - 1);
    await writeFile(at("twice.pth"), bytes);
    await refuses(() => readTorchFile(at("twice.pth")), /has two entries named "archive\/data\/0"/);
  });

  it("other files", async () => {
    await writeFile(at("text.pth"), "text");
    await refuses(() => readTorchFile(at("text.pth")), /text\.pth is not a PyTorch file: it is not a zip archive/);
    await writeFile(at("empty.pth"), "");
    await refuses(() => readTorchFile(at("empty.pth")), /not a zip archive/);
    await refuses(() => readTorchFile(at("nowhere.pth")), /no such file/);
  });

  it("a flipped bit in a storage", async () => {
    const bytes = await readFile(torch("tensor.pth"));
    const [stored] = (await openTorchFile(torch("tensor.pth"))).tensors.values();
    assert.ok(stored);
    bytes[stored.offset + 5] = (bytes[stored.offset + 5] ?? 0) ^ 1;
    await writeFile(at("flipped.pth"), bytes);
    await refuses(
      () => readTorchFile(at("flipped.pth")),
      /flipped\.pth is not an intact zip file: .*"tensor\/data\/0" does not match its checksum/,
    );
  });

  it("a truncated file", async () => {
    const bytes = await readFile(torch("tensor.pth"));
    await writeFile(at("cut.pth"), bytes.subarray(0, bytes.length - 1));
    await refuses(
      () => readTorchFile(at("cut.pth")),
      /cut\.pth is not an intact zip file: it has no directory at its end/,
    );
  });
});

it("reads 64-bit zip files, as PyTorch writes beyond 4 GB", async () => {
  const plain = zipSync(
    { "archive/data.pkl": tensorPickle({}), "archive/data/0": new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) },
    { level: 0 },
  );
  await writeFile(at("zip64.pth"), toZip64(plain));
  assert.deepEqual((await readTorchFile(at("zip64.pth"))).get("")?.data, Float32Array.of(1, 2, 3, 4));
});

/** Moves all sizes and offsets of an archive's directory to 64-bit fields. */
function toZip64(plain: Uint8Array): Buffer {
  const bytes = Buffer.from(plain);
  const end = bytes.length - 22;
  const start = bytes.readUInt32LE(end + 16);
  const directory: Buffer[] = [];
  for (let at = start; at < end; ) {
    const nameLength = bytes.readUInt16LE(at + 28);
    const entry = Buffer.from(bytes.subarray(at, at + 46 + nameLength));
    const extra = Buffer.alloc(28);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(24, 2);
    for (const [i, field] of [24, 20, 42].entries()) {
      extra.writeBigUInt64LE(BigInt(entry.readUInt32LE(field)), 4 + 8 * i);
      entry.writeUInt32LE(0xffffffff, field);
    }
    const other = Buffer.from([0xfe, 0xca, 2, 0, 9, 9]);
    entry.writeUInt16LE(extra.length + other.length, 30);
    directory.push(entry, other, extra);
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  const central = Buffer.concat(directory);
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50);
  end64.writeBigUInt64LE(BigInt(bytes.readUInt16LE(end + 10)), 32);
  end64.writeBigUInt64LE(BigInt(central.length), 40);
  end64.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50);
  locator.writeBigUInt64LE(BigInt(start + central.length), 8);
  const tail = Buffer.from(bytes.subarray(end));
  tail.fill(0xff, 8, 20);
  return Buffer.concat([bytes.subarray(0, start), central, end64, locator, tail]);
}

describe("readTorchFile returns or throws an InputError for", () => {
  const everything = async (bytes: Uint8Array) => {
    await writeFile(at("fuzz.pth"), bytes);
    await survives(() => readTorchFile(at("fuzz.pth")));
    await survives(() => openTorchFile(at("fuzz.pth")));
  };

  it("random bytes after a zip signature", () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (tail) =>
        everything(Buffer.concat([Buffer.from("PK\x03\x04"), tail])),
      ),
      { numRuns: repetitions(200) },
    ));

  for (const name of ["embedding", "checkpoint"]) {
    it(`${name}.pth with changed or missing bytes`, async () => {
      const good = await readFile(torch(`${name}.pth`));
      const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
      await fc.assert(
        fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.nat(good.length), async (changes, length) => {
          const bytes = Uint8Array.from(good);
          for (const [index, value] of changes) bytes[index] = value;
          await everything(bytes.subarray(0, changes.length === 0 ? length : good.length));
        }),
        { numRuns: repetitions(300) },
      );
    });

    it(`${name}.pth with a changed directory`, async () => {
      const good = await readFile(torch(`${name}.pth`));
      const directory = good.readUInt32LE(good.length - 22 + 16);
      const change = fc.tuple(
        fc.integer({ min: directory, max: good.length - 1 }),
        fc.constantFrom(0, 1, 0x50, 0x80, 0xff),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
          const bytes = Uint8Array.from(good);
          for (const [index, value] of changes) bytes[index] = value;
          return everything(bytes);
        }),
        { numRuns: repetitions(300) },
      );
    });

    it(`${name}.pth with a changed pickle and a correct checksum`, async () => {
      const entries = unzipSync(await readFile(torch(`${name}.pth`)));
      const good = entries[`${name}/data.pkl`];
      assert.ok(good);
      const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
          const bytes = Uint8Array.from(good);
          for (const [index, value] of changes) bytes[index] = value;
          return everything(zipSync({ ...entries, [`${name}/data.pkl`]: bytes }, { level: 0 }));
        }),
        { numRuns: repetitions(300) },
      );
    });
  }
});
