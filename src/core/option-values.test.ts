import assert from "node:assert/strict";
import { test } from "node:test";
import { byteSize, integer, someOf, torchSeed } from "./option-values.js";

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

test("reads seeds as torch takes them: 64 bits or negative, of which the low 32 bits count", () => {
  const read = (typed: unknown, least: -1 | 0 = 0) => torchSeed(least).safeParse(typed).data;
  assert.deepEqual(
    ["156680208700286", 156680208700286, "18446744073709551615", "-9223372036854775808"].map((x) => read(x)),
    [...[4096709502, 4096709502, 4294967295, 0]],
  );
  assert.deepEqual([read("-1"), read("-1", -1), read("0", -1), read("7")], [4294967295, -1, 0, 7]);
  for (const wrong of ["18446744073709551616", "-9223372036854775809", "1.5", "", "x", 2 ** 60])
    assert.equal(read(wrong), undefined);
});
