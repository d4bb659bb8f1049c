import assert from "node:assert/strict";
import { test } from "node:test";
import { completeSpec, contradiction, withFallback } from "./complete-spec.js";

const least = { data: ["photos"], out: "run" };

test("given options override a preset, which overrides defaults", async () => {
  const { layers, buckets, epochs, batch, stages } = await completeSpec({ ...least, preset: "sdxl", buckets: 7 });
  assert.deepEqual([layers, buckets, epochs, batch, stages], [1, 7, 1, 4, ["down", "mid"]]);
  const { steps, epochs: none } = await completeSpec({ ...least, preset: "sdxl", steps: 9 });
  assert.deepEqual([steps, none], [9, undefined]);
});

test("withFallback prefers defined options over the fallback", () => {
  assert.deepEqual(withFallback({ steps: 3, seed: undefined }, { epochs: 2, seed: 1 }), { steps: 3, seed: 1 });
  assert.deepEqual(withFallback({}, { epochs: 2 }), { epochs: 2 });
});

test("reads weights of data sets, sizes in bytes, and single values of lists", async () => {
  const spec = await completeSpec({
    ...least,
    data: { path: "a", weight: 0.3 },
    memory: "8GB",
    samplePrompts: "a cat",
  });
  assert.deepEqual(spec.data, [{ path: "a", weight: 0.3 }]);
  assert.deepEqual([spec.memory, spec.samplePrompts], [8e9, ["a cat"]]);
});

test("errors name options that exclude each other", async () => {
  assert.match(contradiction({ initTokens: "t", buckets: 3 }) ?? "", /^`buckets` cannot be given with `initTokens`/);
  await assert.rejects(
    completeSpec({ ...least, holdOut: 2, validation: "v" }),
    /^UsageError: `holdOut` and `validation`/,
  );
  await assert.rejects(
    completeSpec({ ...least, validateEvery: 2 }),
    /`validateEvery` needs `holdOut` or `validation`$/,
  );
  await assert.rejects(completeSpec({ out: "run" }), /^UsageError: `data` must be a path/);
});
