import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InputError } from "../../core/errors.js";
import { bitsFor, readHybrid } from "./levels.js";
import { unsnap } from "./snappy.js";
import { readThrift, ThriftTooShort } from "./thrift.js";

/** The body gives a value or an InputError of one line, and nothing else. */
function readOrRefused(body: () => void): void {
  try {
    body();
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    assert.doesNotMatch(error.message, /\n/);
  }
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

describe("snappy", () => {
  /** A literal or a copy of what came before. */
  const element = fc.oneof(
    fc.record({ literal: fc.uint8Array({ minLength: 1, maxLength: 300 }) }),
    fc.record({ distance: fc.integer({ min: 1, max: 70000 }), size: fc.integer({ min: 1, max: 64 }) }),
  );

  it("gives what literals and copies of every form say", () => {
    fc.assert(
      fc.property(fc.array(element), fc.boolean(), (elements, long) => {
        const output: number[] = [];
        const coded: number[] = [];
        for (const part of elements) {
          if ("literal" in part) {
            const { length } = part.literal;
            if (length <= 60) coded.push((length - 1) << 2, ...part.literal);
            else if (length <= 256 && !long) coded.push(60 << 2, length - 1, ...part.literal);
            else coded.push(61 << 2, (length - 1) & 255, (length - 1) >> 8, ...part.literal);
            output.push(...part.literal);
            continue;
          }
          if (output.length === 0) continue;
          const [distance, size] = [((part.distance - 1) % output.length) + 1, part.size];
          if (!long && size >= 4 && size <= 11 && distance < 2048) {
            coded.push(1 + ((size - 4) << 2) + ((distance >> 8) << 5), distance & 255);
          } else if (!long && distance < 65536) coded.push(2 + ((size - 1) << 2), distance & 255, distance >> 8);
          else coded.push(3 + ((size - 1) << 2), distance & 255, (distance >> 8) & 255, distance >> 16, 0);
          for (let i = 0; i < size; i++) output.push(output[output.length - distance]);
        }
        const bytes = Uint8Array.from([...varint(output.length), ...coded]);
        assert.deepEqual([...unsnap(bytes, output.length, "x")], output);
        // Whatever is cut off, it is not taken for whole.
        if (coded.length > 0) assert.throws(() => unsnap(bytes.subarray(0, -1), output.length, "x"), InputError);
      }),
    );
  });

  it("gives or refuses bytes of any kind, at the length that is asked for", () => {
    const start = fc.integer({ min: 0, max: 300 });
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 60 }), (length, bytes) => {
        const input = Uint8Array.from([...varint(length), ...bytes]);
        readOrRefused(() => assert.equal(unsnap(input, length, "x").length, length));
        readOrRefused(() => unsnap(bytes, length, "x"));
      }),
      { numRuns: 2000 },
    );
  });

  it("sets no memory aside for a length that cannot come out", () => {
    const bytes = Uint8Array.from([...varint(2 ** 31 - 1), 0, 0]);
    assert.throws(
      () => unsnap(bytes, 2 ** 31 - 1, "x"),
      /^InputError: x: the snappy data are damaged \(2147483647 bytes out of/,
    );
  });
});

describe("the hybrid of runs and packed bits", () => {
  it("gives the numbers that were written", () => {
    const width = fc.integer({ min: 0, max: 32 });
    const runs = fc.array(
      fc.oneof(
        fc.record({ value: fc.nat(), times: fc.integer({ min: 1, max: 1000 }) }),
        fc.array(fc.nat(), { minLength: 8, maxLength: 64 }),
      ),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(width, runs, fc.nat(7), (bits, parts, less) => {
        const values: number[] = [];
        const bytes: number[] = [];
        const mask = (value: number) => (bits === 32 ? value : value % 2 ** bits);
        for (const part of parts) {
          if (!Array.isArray(part)) {
            bytes.push(...varint(part.times * 2));
            for (let i = 0; i < Math.ceil(bits / 8); i++) bytes.push(Math.floor(mask(part.value) / 2 ** (8 * i)) & 255);
            values.push(...new Array<number>(part.times).fill(mask(part.value)));
            continue;
          }
          const group = part.slice(0, part.length - (part.length % 8)).map(mask);
          bytes.push(...varint((group.length / 8) * 2 + 1));
          const packed = group.reduce((sum, value, i) => sum | (BigInt(value) << BigInt(i * bits)), 0n);
          for (let i = 0; i < (group.length * bits) / 8; i++) bytes.push(Number((packed >> BigInt(8 * i)) & 255n));
          values.push(...group);
        }
        const count = Math.max(0, values.length - less);
        assert.deepEqual([...readHybrid(Uint8Array.from(bytes), bits, count, "x")], values.slice(0, count));
      }),
    );
  });

  it("gives or refuses bytes of any kind", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.nat(40), fc.nat(100), (bytes, width, count) => {
        readOrRefused(() => assert.equal(readHybrid(bytes, width, count, "x").length, count));
      }),
      { numRuns: 2000 },
    );
  });

  it("knows how many bits a level takes", () => {
    assert.deepEqual([0, 1, 2, 3, 4, 255].map(bitsFor), [0, 1, 2, 2, 3, 8]);
  });
});

describe("thrift", () => {
  it("reads the types that Parquet uses", () => {
    // Fields 1 (i32 = -3), 2 (i64 = 300), 3 (true), 4 (text), 20 (list of two structs), 21 (list of flags).
    const bytes = Uint8Array.from([
      ...[0x15, 5, 0x16, 0xd8, 0x04, 0x11, 0x18, 2, 0x68, 0x69],
      ...[0x09, 40, 0x2c, 0x15, 2, 0, 0x15, 4, 0, 0x19, 0x21, 1, 2, 0, 99],
    ]);
    const { struct, length } = readThrift(bytes, "x");
    assert.equal(length, bytes.length - 1);
    assert.throws(() => struct.count(1, "the number"), /^InputError: x: the number is damaged$/);
    assert.equal(struct.count(2, "the number"), 300);
    assert.equal(struct.flag(3, "the flag", false), true);
    assert.equal(struct.text(4, "the text"), "hi");
    assert.deepEqual(
      struct.structs(20, "the list").map((inner) => inner.count(1, "the number")),
      [1, 2],
    );
    assert.throws(() => struct.struct(9, "the struct"), /^InputError: x: the struct is missing$/);
  });

  it("tells of every prefix that it is too short", () => {
    const whole = Uint8Array.from([0x15, 5, 0x18, 2, 0x68, 0x69, 0x19, 0x1c, 0x15, 2, 0, 0]);
    readThrift(whole, "x");
    for (let end = 0; end < whole.length; end++) {
      assert.throws(() => readThrift(whole.subarray(0, end), "x"), ThriftTooShort);
    }
  });

  it("gives or refuses bytes of any kind", () => {
    const head = fc.constantFrom(0x15, 0x16, 0x18, 0x19, 0x1c, 0x1a, 0x11, 0x17, 0xf9, 0xff, 0x2c, 0);
    fc.assert(
      fc.property(fc.array(fc.oneof(head, fc.nat(255)), { maxLength: 40 }), (bytes) => {
        readOrRefused(() => readThrift(Uint8Array.from(bytes), "x"));
      }),
      { numRuns: 5000 },
    );
    // Structs within structs, without end.
    readOrRefused(() => readThrift(new Uint8Array(10_000).fill(0x1c), "x"));
    readOrRefused(() => readThrift(new Uint8Array(10_000).fill(0x19), "x"));
  });
});
