import assert from "node:assert/strict";
import { after, it } from "node:test";
import { fileURLToPath } from "node:url";
import { openPipeline } from "../families/open.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { generate } from "../sampling/generate.js";
import { runSteps } from "../sampling/run-steps.js";
import { inContext } from "../testing/editing/support.js";
import { noNoise } from "../testing/schedulers/contract.js";
import { ddimInversion } from "./ddim-inversion.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());

it("reconstructs an image of the demo pipeline better with more steps", async () => {
  const folder = fileURLToPath(new URL("../../demo/pipeline", import.meta.url));
  await using pipeline = await openPipeline(folder, engine);
  const caption = "a red circle above a blue square";
  const size = { width: pipeline.defaultSize, height: pipeline.defaultSize };
  const jobs = [{ prompt: caption, seed: 1 }];
  const model = { softTokens: null, strength: 1, negative: "", guidanceScale: 4 };
  const errors: number[] = [];
  for await (const { image } of generate(pipeline, { jobs, ...size, ...model, steps: 20, batch: 1 })) {
    const source = await pipeline.encodeImages({ ...image, shape: [1, ...image.shape] });
    for (const steps of [10, 50, 250]) {
      const error = await inContext(pipeline, { source }, async ({ scheduler, encode, denoise, ...context }) => {
        const prompt = await encode(caption);
        const { latents } = await ddimInversion({ scheduler, denoise, ...context }, { steps, prompt });
        const run = scheduler.start(steps);
        const { sample } = await runSteps(run, run.begin(latents.at(-1) ?? source), {
          predict: async (one, timestep) => (await denoise([{ sample: one, prompt }], timestep))[0],
          drawNoise: noNoise,
        });
        return sample.data.reduce((sum, x, i) => sum + Math.abs(x - (source.data[i] ?? 0)), 0) / sample.data.length;
      });
      errors.push(error);
    }
  }
  const [few = 0, more = 0, most = 0] = errors;
  assert.ok(few > 1.5 * more && more > 1.5 * most && most < 0.02, `${errors}`);
});
