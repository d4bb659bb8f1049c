import assert from "node:assert/strict";
import { test } from "node:test";
import { byteSize } from "./options.js";

test("sizes are read by their units, and nothing else is taken", () => {
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
  for (const [text, bytes] of cases) assert.equal(byteSize.schema.parse(text), bytes, text);
  for (const text of ["20", "", "GB", "-1GB", "0GB", "1e3MB", "20GB ", "99999999TB", "1..5GB"]) {
    assert.equal(byteSize.schema.safeParse(text).success, false, text);
  }
  assert.deepEqual([byteSize.config.parse(4096), byteSize.config.parse("4KiB")], [4096, 4096]);
  assert.equal(byteSize.config.safeParse(1.5).success, false);
});
