import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../core/errors.js";
import { bitsFor, readRuns } from "./runs.js";

test("decodes runs and packed bits", () => {
  // 5, three times; then 0..7 of three bits, of which the last three are not needed.
  const bytes = Uint8Array.from([6, 5, 3, 0b10001000, 0b11000110, 0b11111010]);
  assert.deepEqual(readRuns(bytes, 3, 8, "x"), [5, 5, 5, 0, 1, 2, 3, 4]);
  assert.deepEqual(readRuns(Uint8Array.of(8), 0, 4, "x"), [0, 0, 0, 0]);
  assert.deepEqual(readRuns(new Uint8Array(0), 1, 0, "x"), []);
});

test("rejects truncated, empty and excessive runs before it allocates memory", () => {
  const damaged: readonly (readonly number[])[] = [
    [],
    [6],
    [3, 0b10001000],
    [0, 5],
    // 2^31 - 1 times the value 1.
    [0xfe, 0xff, 0xff, 0xff, 0x0f, 1],
    // As many groups of eight.
    [0xff, 0xff, 0xff, 0xff, 0x0f, 1],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  ];
  for (const bytes of damaged) {
    assert.throws(() => readRuns(Uint8Array.from(bytes), 3, 8, "x"), InputError, `${bytes}`);
  }
  assert.throws(() => readRuns(Uint8Array.of(6, 5), 33, 3, "x"), InputError);
});

test("computes the bit width of levels", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 255].map(bitsFor), [0, 1, 2, 2, 3, 8]);
});
