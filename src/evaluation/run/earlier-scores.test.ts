import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { readScores } from "./scores.js";

const picture = { file: null, prompt: "p", seed: 0, category: "c", scores: { accuracy: 1, LPIPS: 0.5 }, reason: "" };

it("scores of earlier versions are read under the names of today", async () => {
  const folder = await mkdtemp(join(tmpdir(), "softrepa-earlier-"));
  const file = join(folder, "scores.json");
  const metric = { kind: "verdict", better: "higher", weights: "" };
  const distance = "distance to the first variant";
  const set = { metric: "FID", variant: "base", value: 3, pictures: 12, reference: "real", remark: "" };
  const earlier = {
    ...{ format: "softrepa-scores", formatVersion: 1, sets: [set], notRun: [] },
    metrics: [
      { ...metric, name: "accuracy", of: "picture" },
      { ...metric, name: "LPIPS", kind: "number", of: distance },
    ],
    variants: [{ name: "base", pictures: [picture] }],
  };
  await writeFile(file, JSON.stringify(earlier));
  const { metrics, variants, sets } = await readScores(folder);
  assert.deepEqual(
    metrics.map(({ of }) => of),
    ["image", distance],
  );
  assert.deepEqual([variants[0]?.images, sets[0]?.images], [[picture], 12]);
  await rm(folder, { recursive: true });
});
