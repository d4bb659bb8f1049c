/** @file A process of its own that runs one training graph of synthetic weights and prints what was foretold and what it took, in bytes. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { cachedWeights } from "../../../bench/cached-weights.js";
import { denoiserConfigSchema, syntheticDenoiser } from "../../../bench/synthetic-denoiser.js";
import { Generator } from "../../../core/random.js";
import { floatTensor } from "../../../core/tensor.js";
import { writeOnnx } from "../../../graph/onnx/writer.js";
import { pairErrorGraph } from "../../../objectives/pair-errors.js";
import { OnnxRuntimeEngine } from "../../../runtime/onnxruntime/engine.js";
import { openSafetensors } from "../../../weights/safetensors.js";
import { sessionMemory } from "../memory.js";

const caseSchema = z.object({
  folder: z.string(),
  config: denoiserConfigSchema,
  pairs: z.number(),
  side: z.number(),
  softTokens: z.array(z.number()),
  gradients: z.boolean(),
  hiddenShapes: z.boolean(),
  checkpoints: z.boolean(),
});

const { folder, config, pairs, side, softTokens, gradients, hiddenShapes, checkpoints } = caseSchema.parse(
  JSON.parse(process.argv[2] ?? ""),
);
const synthetic = syntheticDenoiser(config, { textLength: 77, stages: ["down", "mid", "up"] });
const weights = await cachedWeights(join(folder, config._class_name), synthetic.weights, synthetic.buffers);
const engine = new OnnxRuntimeEngine("cpu", 1);
const denoiser = synthetic.open(engine, await openSafetensors(weights));
const latentShape = [synthetic.latentChannels, side, side];
const form = { shape: softTokens, stages: denoiser.softTokenLayout.stages };
const { graph, outputs } = pairErrorGraph(denoiser, {
  ...{ pairs, latentShape, images: "shared", softTokens: form, gradients, checkpoints },
});
const { activations, session } = sessionMemory({ graph, outputs: Object.values(outputs) });
const model = writeOnnx(graph, outputs, { ...engine.target, hiddenShapes });

/** Bytes of anonymous memory: without the files that are mapped. */
const anonymous = () => 1024 * Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
// The library itself is loaded before anything is measured.
await (await engine.compile(writeOnnx(...trivial()))).release();
globalThis.gc?.();
const before = anonymous();
const compiled = await engine.compile(model);
const random = new Generator(1);
const feeds = Object.fromEntries(
  model.inputs.map(({ name, shape }) => [
    name,
    name === "timestep" ? floatTensor([1], Float32Array.of(500)) : random.normal(shape),
  ]),
);
// The arena keeps what it has fetched, so that what it holds behind a run is the most that the run needed at once.
await compiled.run(feeds);
const took = anonymous() - before;
process.stdout.write(JSON.stringify({ foretold: activations + session, took }));
await engine.close();

function trivial(): Parameters<typeof writeOnnx> {
  const { graph: small, outputs: few } = pairErrorGraph(denoiser, {
    ...{
      pairs: 1,
      latentShape: [synthetic.latentChannels, 8, 8],
      images: "shared",
      softTokens: null,
      gradients: false,
    },
  });
  return [small, few, engine.target];
}
