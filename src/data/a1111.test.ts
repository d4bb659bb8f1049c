import assert from "node:assert/strict";
import { test } from "node:test";
import { a1111Parameters } from "./a1111.js";

const settings = {
  prompt: "two cats, one dog",
  steps: 28,
  sampler: "Euler",
  guidance: 4,
  seed: 7,
  width: 1024,
  height: 768,
  model: "sd3",
};

test("writes the web UI's text format", () => {
  assert.equal(
    a1111Parameters({ ...settings, negative: "blurry", extra: { "Soft tokens": "run/tokens", Strength: 0.5 } }),
    "two cats, one dog\n" +
      "Negative prompt: blurry\n" +
      "Steps: 28, Sampler: Euler, CFG scale: 4, Seed: 7, Size: 1024x768, Model: sd3, Soft tokens: run/tokens, Strength: 0.5",
  );
});

test("omits an empty negative prompt and quotes values with separators", () => {
  assert.equal(
    a1111Parameters({ ...settings, negative: "", model: 'C:\\a, "b"' }),
    "two cats, one dog\n" +
      'Steps: 28, Sampler: Euler, CFG scale: 4, Seed: 7, Size: 1024x768, Model: "C:\\\\a, \\"b\\""',
  );
});
