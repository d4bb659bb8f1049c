import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InputError } from "../../core/errors.js";
import { repetitions } from "../../testing/core/repetitions.js";
import { tarOf } from "../../testing/data/tar.js";
import type { ByteSource } from "../byte-source.js";
import { readTar, type TarMember } from "./read-tar.js";

function sourceOf(bytes: Uint8Array): ByteSource {
  const read = async (offset: number, length: number) => {
    if (offset + length > bytes.length) throw new InputError("a.tar is cut short");
    return bytes.subarray(offset, offset + length);
  };
  return { file: "a.tar", size: bytes.length, read };
}

async function membersOf(bytes: Uint8Array): Promise<TarMember[]> {
  const members: TarMember[] = [];
  for await (const member of readTar(sourceOf(bytes))) members.push(member);
  return members;
}

const content = fc.uint8Array({ maxLength: 1500 });
const name = fc.string({ minLength: 1, maxLength: 60 }).filter((text) => !/\p{Cc}/u.test(text));

describe("readTar", () => {
  it("locates the bytes of every member", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, content), { maxLength: 5 }), async (files) => {
        const bytes = tarOf(files.map(([path, data]) => ({ name: path, data })));
        const members = await membersOf(bytes);
        assert.deepEqual(
          members.map((member) => [member.name, bytes.subarray(member.offset, member.offset + member.size)]),
          files.map(([path, data]) => [Buffer.from(path).toString(), Buffer.from(data)]),
        );
      }),
    );
  });

  it("reads sizes in base 256 and in pax headers, and skips links, folders and devices", async () => {
    const data = Buffer.from("hello");
    const members = await membersOf(
      tarOf([
        { name: "base256", data, patch: (header) => header.set([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], 124) },
        { name: "PaxHeader", type: "x", data: Buffer.from("12 path=new\n14 comment=x y\n".replace("14", "15")) },
        { name: "old", data },
        { name: "global", type: "g", data: Buffer.from("12 path=all\n") },
        { name: "hard link", type: "1", data: Buffer.alloc(0), patch: (header) => header.write("00000000777", 124) },
        { name: "folder/", type: "5", data: Buffer.alloc(0) },
        { name: "fifo", type: "6", data: Buffer.alloc(0) },
        { name: "contiguous", type: "7", data },
        { name: "ancient", type: "\0", data },
      ]),
    );
    assert.deepEqual(
      members.map(({ name: path, size }) => [path, size]),
      [
        ["base256", 5],
        ["new", 5],
        ["contiguous", 5],
        ["ancient", 5],
      ],
    );
  });

  it("stops at the blocks of zeros at the end, which are optional", async () => {
    const bytes = tarOf([{ name: "a", data: Buffer.from("x") }]);
    assert.equal((await membersOf(bytes.subarray(0, 1024))).length, 1);
    assert.equal((await membersOf(Buffer.concat([bytes, Buffer.alloc(700, 7)]))).length, 1);
    assert.deepEqual(await membersOf(new Uint8Array(0)), []);
  });

  it("rejects damage after the whole members", async () => {
    const bytes = tarOf([
      { name: "a", data: Buffer.from("x") },
      { name: "b", data: Buffer.alloc(600) },
    ]);
    const cases: [string, Uint8Array, number, RegExp][] = [
      ["not an archive", Buffer.alloc(2000, "text"), 0, /a\.tar at byte 0: the checksum is not a number: not a tar/],
      [
        "cut in a member",
        bytes.subarray(0, 1024 + 512 + 100),
        1,
        /is cut short: the member at byte 1024 has 600 bytes/,
      ],
      ["cut in a header", bytes.subarray(0, 1024 + 100), 1, /is cut short/],
      [
        "a flipped bit",
        Uint8Array.from(bytes, (byte, i) => (i === 1030 ? byte ^ 1 : byte)),
        1,
        /byte 1024: the header/,
      ],
      [
        "a huge size",
        tarOf([{ name: "a", data: Buffer.alloc(0), patch: (h) => h.fill(255, 124, 136) }]),
        0,
        /too large/,
      ],
      ["a damaged pax header", tarOf([{ name: "p", type: "x", data: Buffer.from("99 path=x\n") }]), 0, /pax header is/],
      ["sparse", tarOf([{ name: "s", type: "S", data: Buffer.alloc(0) }]), 0, /sparse members are not read/],
    ];
    for (const [what, damaged, whole, message] of cases) {
      const seen: TarMember[] = [];
      await assert.rejects(
        async () => {
          for await (const member of readTar(sourceOf(damaged))) seen.push(member);
        },
        (error) => error instanceof InputError && message.test(error.message),
        what,
      );
      assert.equal(seen.length, whole, what);
    }
  });

  it("reads or rejects any bytes", async () => {
    const whole = tarOf([
      { name: "a".repeat(150), data: Buffer.from("x".repeat(700)) },
      { name: "p", type: "x", data: Buffer.from("12 path=new\n") },
      { name: "b", data: Buffer.from("y") },
    ]);
    const change = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), fc.boolean(), async (changes, fixSums) => {
        const bytes = Uint8Array.from(whole);
        for (const { at, to } of changes) bytes[at] = to;
        if (fixSums)
          for (let start = 0; start + 512 <= bytes.length; start += 512)
            fixChecksum(bytes.subarray(start, start + 512));
        try {
          for (const { name: path, offset, size } of await membersOf(bytes)) {
            assert.ok(offset + size <= bytes.length);
            assert.doesNotMatch(path, /\n/);
          }
        } catch (error) {
          assert.ok(error instanceof InputError, String(error));
          assert.doesNotMatch(error.message, /\n/);
        }
      }),
      { numRuns: repetitions(1000) },
    );
  });
});

/** Corrects the checksum of a header block, so that damage in other fields is tested. */
function fixChecksum(block: Uint8Array): void {
  block.fill(32, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(Buffer.from(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
}
