import assert from "node:assert/strict";
import { test } from "node:test";
import { displayWidth, shorten } from "../../core/text.js";
import { formatMatrix } from "./matrix.js";
import { formatDuration, formatNumber, formatPercent, formatRate } from "./number.js";
import { formatTable } from "./table.js";

test("formats numbers", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [14000, "14000"],
    [0.123456, "0.1235"],
    [0.5, "0.5"],
    [-1.00001, "-1"],
    [0.001, "0.001"],
    [0.000012345, "1.234e-5"],
    [1e-5, "1e-5"],
    [1234567, "1.235e6"],
    [12345.678, "12350"],
    [0.99999999, "1"],
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "-Infinity"],
  ];
  for (const [value, text] of cases) assert.equal(formatNumber(value), text);
});

test("formats percentages, rates and durations", () => {
  assert.deepEqual([0, 0.0086, 0.45, 0.9999, 1].map(formatPercent), ["0%", "0.9%", "45%", "99%", "100%"]);
  assert.deepEqual([3.24, 1, 0.25, 120].map(formatRate), ["3.2 it/s", "1 it/s", "4 s/it", "120 it/s"]);
  const spans = [0, 0.42, 9.97, 59.4, 59.6, 185, 3599.7, 7620, 273600, Number.POSITIVE_INFINITY].map(formatDuration);
  assert.deepEqual(spans, [
    "0.0 s",
    "0.4 s",
    "10 s",
    "59 s",
    "1 min 00 s",
    "3 min 05 s",
    "1 h 00 min",
    "2 h 07 min",
    "3 d 4 h",
    "?",
  ]);
});

test("displayWidth counts cells, not characters", () => {
  assert.deepEqual(["abc", "é", "e\u0301", "猫と犬", "👩‍👧", "ｆ", ""].map(displayWidth), [3, 1, 1, 6, 2, 2, 0]);
});

test("shorten keeps whole characters and returns one line", () => {
  assert.equal(shorten("a cat", 5), "a cat");
  assert.equal(shorten("a brown cat", 8), "a bro...");
  assert.equal(shorten("a cat on a mat", 9), "a cat...");
  assert.equal(shorten("猫と犬がいる", 8), "猫と...");
  assert.equal(shorten("two\nlines\x1b[31m", 40), "two lines\\x1b[31m");
  assert.equal(shorten("abcdef", 2), "..");
});

test("formatTable aligns text left and numbers right", () => {
  assert.deepEqual(
    formatTable([
      ["image", "error"],
      ["a.png", 0.125],
      ["猫.png", 12],
    ]),
    [
      // biome-ignore format: a table
      "image   error",
      "a.png   0.125",
      "猫.png     12",
    ],
  );
  assert.deepEqual(formatTable([]), []);
});

const mark = (row: number, column: number) => (row === column ? "*" : "");

test("formatMatrix uses the same decimals everywhere and leaves space for marks", () => {
  const lines = formatMatrix(
    ["a cat", "a dog on a lawn"],
    ["cat.png", "d.png"],
    [Float32Array.of(0.5, 0.25), [0.125, 1]],
    mark,
  );
  assert.deepEqual(lines, [
    "                 cat.png    d.png",
    "a cat             0.5000*  0.2500",
    "a dog on a lawn   0.1250   1.0000*",
  ]);
});

test("formatMatrix continues wide matrices below, and shortens long captions", () => {
  const columns = ["one.png", "two.png", "three.png"];
  const lines = formatMatrix(["a".repeat(60)], columns, [[1e-6, Number.NaN, 2e-6]], undefined, 50);
  assert.deepEqual(lines, [
    "                                one.png  two.png",
    "aaaaaaaaaaaaaaaaaaaaaa...  0.0000010000      NaN",
    "",
    "                              three.png",
    "aaaaaaaaaaaaaaaaaaaaaa...  0.0000020000",
  ]);
  assert.ok(lines.every((line) => line.length <= 50));
  assert.match(formatMatrix(["b".repeat(60)], ["x"], [[1]])[1] ?? "", /^b{45}\.\.\. {2}1\.0000$/);
});
