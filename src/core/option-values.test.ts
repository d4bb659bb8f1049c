import assert from "node:assert/strict";
import { test } from "node:test";
import { byteSize, integer, someOf } from "./option-values.js";

test("byteSize accepts a size with its unit or a number of bytes, and nothing else", () => {
  const cases: [string, number][] = [
    ["20GB", 20e9],
    ["1.5 GiB", 1.5 * 2 ** 30],
    ["500MB", 5e8],
    ["64KiB", 65536],
    ["2TB", 2e12],
    ["3MiB", 3 * 2 ** 20],
    ["1TiB", 2 ** 40],
    ["7KB", 7000],
  ];
  for (const [text, bytes] of cases) assert.equal(byteSize.parse(text), bytes, text);
  for (const text of ["20", "", "GB", "-1GB", "0GB", "1e3MB", "20GB ", "99999999TB", "1..5GB"]) {
    assert.equal(byteSize.safeParse(text).success, false, text);
  }
  assert.equal(byteSize.parse(4096), 4096);
  assert.equal(byteSize.safeParse(1.5).success, false);
});

test("messages complete the name of an option", () => {
  assert.equal(integer(1, 9).safeParse(10).error?.issues[0]?.message, "must be a whole number from 1 to 9");
  assert.equal(integer(1).safeParse("x").error?.issues[0]?.message, "must be a whole number of at least 1");
});

test("someOf removes duplicates and keeps the order of the choices", () => {
  const schema = someOf(["a", "b", "c"], "");
  assert.deepEqual(schema.parse(["c", "a", "c"]), ["a", "c"]);
  assert.equal(schema.safeParse([]).success, false);
});
