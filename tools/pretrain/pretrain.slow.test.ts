import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openPipeline } from "#softrepa/families/open.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { categories } from "#softrepa/scenes/scene.js";
import { type PretrainSettings, pretrain } from "./pretrain.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
const folder = await mkdtemp(join(tmpdir(), "softrepa-pretrain-"));
after(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

const settings: PretrainSettings = {
  autoencoder: { batch: 2, coarseSteps: 3, fineSteps: 2, evaluatedScenes: 16 },
  latents: { shardSize: 32, stepsPerShard: 2, maxShards: 6 },
  transformer: { batch: 4, steps: 5, warmUpSteps: 2, headAfterBlock: 3, headWeight: 0.25 },
  evaluation: { everySteps: 2, prompts: 6, steps: 2, guidanceScale: 3, batch: 3 },
};

/** The bytes of everything that a run leaves but speeds. */
async function resultOf(name: string): Promise<Buffer[]> {
  const files = [
    "transformer.safetensors",
    "transformer-evaluation.jsonl",
    "autoencoder-fine-evaluation.jsonl",
    "latents/0004.safetensors",
  ];
  const weights = "diffusion_pytorch_model.safetensors";
  const parts = ["model_index.json", `transformer/${weights}`, `vae/${weights}`, "text_encoder_2/model.safetensors"];
  return Promise.all(
    [...files, ...parts.map((part) => join("pipeline", part))].map((file) => readFile(join(folder, name, file))),
  );
}

describe("pre-training", () => {
  it("killed in every stage and gone on with, leaves the same bytes as in one go: a pipeline, and its learning curve", async () => {
    const quiet = { signal: new AbortController().signal, print: () => {} };
    await pretrain(engine, join(folder, "whole"), settings, quiet);
    for (const killAt of [
      /^autoencoder: step 0/,
      /^autoencoder-fine: step 0/,
      /^latents/,
      /^transformer \{"step":2/,
      /^transformer: step 2/,
    ]) {
      const print = (line: string) => {
        if (killAt.test(line)) throw new Error("killed");
      };
      await assert.rejects(
        pretrain(engine, join(folder, "parts"), settings, { ...quiet, print, saveEverySeconds: 0 }),
        /killed/,
      );
    }
    await pretrain(engine, join(folder, "parts"), settings, quiet);
    assert.deepEqual(await resultOf("parts"), await resultOf("whole"));

    const curve = (await readFile(join(folder, "whole", "transformer-evaluation.jsonl"), "utf8")).trim().split("\n");
    const lines = curve.map((line) => JSON.parse(line) as Record<string, Record<string, number>>);
    assert.deepEqual(
      lines.map(({ step, images }) => [step, images]),
      [
        [2, 8],
        [4, 16],
        [5, 20],
      ],
    );
    for (const { catalogue, labels } of lines) {
      for (const style of [catalogue, labels])
        assert.deepEqual(Object.keys(style).sort(), ["all", ...categories].sort());
    }
    const pipeline = await openPipeline(join(folder, "whole", "pipeline"), engine);
    assert.equal(pipeline.defaultSize, 64);
  });
});
