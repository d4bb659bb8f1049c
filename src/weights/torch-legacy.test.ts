import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import { repetitions } from "../testing/core/repetitions.js";
import { fixture, refuses, survives, temporaryFolder } from "../testing/weights/support.js";
import { readTensor } from "./safetensors.js";
import { openTorchFile, readTorchFile } from "./torch-file.js";

const at = temporaryFolder();
const legacy = fixture("torch", "legacy-state-dict.pth");

const expected = {
  a: { shape: [2, 3], data: [0, 1, 2, 3, 4, 5] },
  half: { shape: [2], data: [1.5, -2] },
  count: { shape: [], data: [7] },
  tail: { shape: [2, 3], data: [4, 5, 6, 7, 8, 9] },
  head: { shape: [4], data: [0, 1, 2, 3] },
};

/** Writes a changed copy of the fixture. */
async function altered(change: (bytes: Buffer) => Uint8Array): Promise<string> {
  const file = at("altered.pth");
  await writeFile(file, change(await readFile(legacy)));
  return file;
}

describe("PyTorch's format before 1.6", () => {
  it("reads a state dict with shared storages, several types and a scalar", async () => {
    const read = await readTorchFile(legacy);
    const values = [...read].map(([name, { shape, data }]) => [name, { shape, data: [...data] }]);
    assert.deepEqual(Object.fromEntries(values), expected);
    assert.deepEqual([...read.keys()], Object.keys(expected));
  });

  it("opens tensors without reading them", async () => {
    const all = await readTorchFile(legacy);
    for (const [name, stored] of (await openTorchFile(legacy)).tensors) {
      assert.deepEqual(await readTensor(stored), all.get(name));
    }
    const { tensors } = await openTorchFile(fixture("torch", "old-format.pth"));
    const whole = tensors.get("");
    assert.ok(whole);
    assert.deepEqual([...(await readTensor(whole)).data], [...Array(24).keys()]);
  });

  it("rejects damaged files by name of the damage", async () => {
    const replace = (from: string, to: string) => (bytes: Buffer) =>
      Buffer.from(bytes.toString("latin1").replace(from, to), "latin1");
    const cases: [(bytes: Buffer) => Uint8Array, RegExp][] = [
      [(bytes) => bytes.subarray(0, bytes.length - 4), /is cut short: storage "\d+" ends at byte \d+/],
      [(bytes) => bytes.subarray(0, 60), /ends within an opcode|is unterminated/],
      [replace("FloatStorage", "DloatStorage"), /refuses to load the global "torch\.DloatStorage"/],
      [replace("_rebuild_tensor_v2", "_rebuild_tensor_v9"), /refuses to load the global/],
      [replace("M\xe9\x03.", "M\xe8\x03."), /version 1000 of PyTorch's old format is not known/],
    ];
    for (const [change, pattern] of cases) {
      const file = await altered(change);
      await refuses(() => readTorchFile(file), /altered\.pth/, pattern);
    }
  });

  it("returns or throws an InputError for changed bytes", async () => {
    const bytes = await readFile(legacy);
    const edits = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(edits, fc.nat(bytes.length), async (changes, length) => {
        const changed = Buffer.from(bytes);
        for (const [place, byte] of changes) changed[place] = byte;
        await writeFile(at("fuzzed.pth"), changed.subarray(0, Math.max(length, 20)));
        await survives(() => readTorchFile(at("fuzzed.pth")));
        await survives(() => openTorchFile(at("fuzzed.pth")));
      }),
      { numRuns: repetitions(150) },
    );
  });
});
