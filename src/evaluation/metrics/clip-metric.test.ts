import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { z } from "zod";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { parityFolder, smallClip, writeOpenClip } from "../../testing/evaluation/open-clip.js";
import { openSafetensors, readTensor } from "../../weights/safetensors.js";
import { openTorchFile } from "../../weights/torch-file.js";
import { writeTorchStateDict } from "../../weights/torch-write.js";
import { hashFile } from "./feature-cache.js";
import type { EvaluatedImage } from "./metric.js";
import { openMetrics } from "./open-metrics.js";
import { metricNames } from "./registry.js";

const table = z.array(z.array(z.number()));
/** rows: images, columns: prompts; made with transformers and Pillow (the file says how). */
const golden = z
  .object({ prompts: z.array(z.string()), CLIPScore: table, PickScore: table, "HPSv2.1": table })
  .parse(JSON.parse(readFileSync(join(process.cwd(), "test", "fixtures", "metrics", "clip.json"), "utf8")));
const { prompts } = golden;

describe("metrics by CLIP", () => {
  let root = "";
  const engine = new OnnxRuntimeEngine("cpu");
  const weights = () => join(root, "weights");
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "softrepa-metrics-"));
    await mkdir(weights());
    await cp(smallClip, join(weights(), "clip-small"), { recursive: true });
    // As its authors publish it: a model without tokenizer and preprocessing.
    for (const name of ["config.json", "model.safetensors"]) {
      await cp(join(smallClip, name), join(weights(), "PickScore_v1", name), { recursive: true });
    }
    await writeOpenClip(join(weights(), "HPS_v2.1_compressed.safetensors"));
  });
  after(async () => {
    await engine.close();
    await rm(root, { recursive: true, force: true });
  });

  /** Every image with every prompt. */
  async function everyPair(): Promise<EvaluatedImage[]> {
    const files = [0, 1, 2].map((index) => join(parityFolder, "images", `${index}.png`));
    const hashes = await Promise.all(files.map(hashFile));
    return files.flatMap((file, index) => prompts.map((prompt) => ({ file, hash: hashes[index], prompt })));
  }

  it("CLIPScore, PickScore and HPSv2.1 are the reference's numbers by their formulas", async () => {
    const names = ["CLIPScore", "PickScore", "HPSv2.1"] as const;
    const { opened, notRun } = await openMetrics(engine, { weights: weights(), names, cache: null });
    assert.deepEqual([opened.map(({ name }) => name), notRun], [names, []]);
    for (const metric of opened) {
      assert.ok(metric.kind === "prompt");
      const scores = await metric.scores(await everyPair(), {});
      const expected = golden[metric.name as (typeof names)[number]].flat();
      for (const [i, score] of scores.entries()) {
        assert.ok(Math.abs(score - expected[i]) < 2e-3, `${metric.name} ${i}: ${score}, not ${expected[i]}`);
      }
      await metric.release();
    }
    assert.ok(golden.CLIPScore.flat().some((score) => score > 1) && golden.CLIPScore.flat().includes(0));
    // 100 times the cosine, which lies in -1..1.
    assert.ok(golden["HPSv2.1"].flat().some((score) => Math.abs(score) > 1));
  });

  it("of a .pt file of the older and newer kind are the same", async () => {
    const source = await openSafetensors(join(weights(), "HPS_v2.1_compressed.safetensors"));
    const tensors = new Map();
    for (const [name, stored] of source.tensors) tensors.set(name, await readTensor(stored));
    const other = join(root, "pt");
    await mkdir(other);
    await cp(smallClip, join(other, "clip-small"), { recursive: true });
    await writeTorchStateDict(join(other, "HPS_v2.1_compressed.pt"), tensors);
    assert.equal((await openTorchFile(join(other, "HPS_v2.1_compressed.pt"))).tensors.size, source.tensors.size);
    const { opened } = await openMetrics(engine, { weights: other, names: ["HPSv2.1"], cache: null });
    const [metric] = opened;
    assert.ok(metric?.kind === "prompt");
    const [score] = await metric.scores((await everyPair()).slice(0, 1), {});
    assert.ok(Math.abs(score - golden["HPSv2.1"][0][0]) < 2e-3);
    await metric.release();
  });

  it("features are kept by content and computed once", async () => {
    const cache = join(root, "features");
    const run = async (pairs: readonly EvaluatedImage[]) => {
      const { opened } = await openMetrics(engine, { weights: weights(), names: ["CLIPScore"], cache });
      const [metric] = opened;
      assert.ok(metric?.kind === "prompt");
      let computed = 0;
      const scores = await metric.scores(pairs, { onProgress: (done) => (computed = done) });
      await metric.save();
      await metric.release();
      return { scores, computed };
    };
    const pairs = await everyPair();
    const first = await run(pairs);
    assert.equal(first.computed, 3);
    // Under another name and date it is the same image.
    const copy = join(root, "copy.png");
    await cp(pairs[0].file, copy);
    await utimes(copy, 1, 1);
    const again = await run(pairs.map((pair) => (pair.file === pairs[0].file ? { ...pair, file: copy } : pair)));
    assert.deepEqual(again, { scores: first.scores, computed: 0 });
  });

  it("what is missing or does not fit is a reason, not a number", async () => {
    const none = await openMetrics(engine, { weights: undefined, names: metricNames, cache: null });
    assert.deepEqual(
      [...none.opened, ...none.notRun].map(({ name }) => name),
      metricNames,
    );
    assert.deepEqual(
      none.opened.map(({ name }) => name),
      ["accuracy"],
    );
    assert.ok(none.notRun.every(({ reason }) => /^give `weights` with a folder that has /.test(reason)));
    const broken = join(root, "broken");
    await mkdir(broken);
    await cp(smallClip, join(broken, "clip-small"), { recursive: true });
    await writeFile(join(broken, "HPS_v2.1.pt"), "no weights");
    await cp(join(smallClip, "model.safetensors"), join(broken, "inception.safetensors"));
    await cp(join(smallClip, "model.safetensors"), join(broken, "ImageReward.safetensors"));
    await writeFile(join(broken, "vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    const { opened, notRun } = await openMetrics(engine, { weights: broken, names: metricNames, cache: null });
    const reasons = Object.fromEntries(notRun.map(({ name, reason }) => [name, reason]));
    assert.match(reasons["HPSv2.1"], /HPS_v2\.1\.pt is not a PyTorch file/);
    assert.match(reasons.PickScore, /broken lacks a folder with PickScore in its name/);
    assert.match(reasons.ImageReward, /ImageReward\.safetensors is not an ImageReward model: the tensor .* is missing/);
    assert.match(reasons.LPIPS, /broken lacks vgg16/);
    // A network is built when it is first run; a wrong one is named then.
    const fid = opened.find(({ name }) => name === "FID");
    assert.ok(fid?.kind === "set");
    await assert.rejects(
      async () => fid.features((await everyPair()).slice(0, 1), {}),
      /inception\.safetensors: the tensor Conv2d_1a_3x3\.conv\.weight is missing/,
    );
    await assert.rejects(
      () => openMetrics(engine, { weights: join(root, "nowhere"), names: metricNames, cache: null }),
      /the weights folder .*nowhere is no folder/,
    );
  });
});
