/** @file Runs one training graph with synthetic weights in a separate process; prints its estimated and measured memory in bytes. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { Generator } from "../../core/random.js";
import { floatTensor } from "../../core/tensor.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import { executionPlan } from "../../objectives/execution-plan.js";
import { pairErrorGraph } from "../../objectives/pair-errors.js";
import { targetFor } from "../../runtime/engine.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { copiedBytes, sessionMemory } from "../../training/plan/memory.js";
import { openSafetensors } from "../../weights/safetensors.js";
import { cachedWeights } from "../synthetic/cached-weights.js";
import { denoiserConfigSchema, syntheticDenoiser } from "../synthetic/denoiser.js";

const caseSchema = z.object({
  folder: z.string(),
  config: denoiserConfigSchema,
  pairs: z.number(),
  side: z.number(),
  softTokens: z.array(z.number()),
  gradients: z.boolean(),
  hiddenShapes: z.boolean(),
  checkpoints: z.boolean(),
  repackWeights: z.boolean(),
});

const { folder, config, pairs, side, softTokens, gradients, hiddenShapes, checkpoints, repackWeights } =
  caseSchema.parse(JSON.parse(process.argv[2] ?? ""));
const synthetic = syntheticDenoiser(config, { textLength: 77, stages: ["down", "mid", "up"] });
const file = await cachedWeights(join(folder, config._class_name), synthetic.weights, synthetic.buffers);
const engine = new OnnxRuntimeEngine("cpu", 1);
const denoiser = synthetic.open(engine, await openSafetensors(file));
const latentShape = [synthetic.latentChannels, side, side];
const form = { shape: softTokens, stages: denoiser.softTokenLayout.stages };
const { graph, outputs } = pairErrorGraph(denoiser, {
  plan: executionPlan(pairs, { checkpoints }),
  ...{ latentShape, images: "shared", softTokens: form, gradients },
});
const built = { graph, outputs: Object.values(outputs) };
const { activations, session } = sessionMemory(built);
const copies = repackWeights ? copiedBytes(built, activations) : 0;
const model = writeOnnx(graph, outputs, { ...targetFor(engine, repackWeights), hiddenShapes });

/** A memory statistic of this process, in bytes. */
const status = (field: "RssAnon" | "RssFile" | "VmHWM") =>
  1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
// Load the library before measuring.
await (await engine.compile(writeOnnx(...trivial()))).release();
globalThis.gc?.();
const before = status("RssAnon");
const compiled = await engine.compile(model);
const random = new Generator(1);
const feeds = Object.fromEntries(
  model.inputs.map(({ name, shape }) => [
    name,
    name === "timestep" ? floatTensor([1], Float32Array.of(500)) : random.normal(shape),
  ]),
);
await compiled.run(feeds);
// The arena keeps its memory, so its size after a run is the peak of the run. Repacked copies peak earlier, during compilation; then
// the peak of the process counts, without mapped files.
const peak = repackWeights ? status("VmHWM") - status("RssFile") : status("RssAnon");
process.stdout.write(JSON.stringify({ estimated: activations + session + copies, measured: peak - before }));
await engine.close();

function trivial(): Parameters<typeof writeOnnx> {
  const { graph: small, outputs: few } = pairErrorGraph(denoiser, {
    plan: executionPlan(1),
    ...{
      latentShape: [synthetic.latentChannels, 8, 8],
      images: "shared",
      softTokens: null,
      gradients: false,
    },
  });
  return [small, few, engine.target];
}
