/** @file Runs a case in softrepa: reads its files, times it, and writes the results. */

import { z } from "zod";
import { InputError } from "#softrepa/core/errors.js";
import type { FloatTensor } from "#softrepa/core/tensor.js";
import { concatRows, floatTensor, rows, type Shape } from "#softrepa/core/tensor.js";
import { Graph } from "#softrepa/graph/graph.js";
import { estimateMemory } from "#softrepa/graph/memory.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { input } from "#softrepa/graph/ops.js";
import { autoencoderConfigSchema, vaeDecoder } from "#softrepa/models/autoencoder-kl.js";
import { Weights } from "#softrepa/models/weights.js";
import { compilePairErrors, type PairErrorOptions, pairErrorGraph } from "#softrepa/objectives/pair-errors.js";
import { selectConditioning } from "#softrepa/pipelines/conditioning.js";
import { paddedBatches } from "#softrepa/pipelines/padded-batches.js";
import type { Denoiser, SoftTokenSpec } from "#softrepa/pipelines/pipeline.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { OpenVinoEngine } from "#softrepa/runtime/openvino/engine.js";
import { findOpenVino } from "#softrepa/runtime/openvino/find-library.js";
import { compileGuidedDenoiser } from "#softrepa/sampling/guided-denoiser.js";
import { machineMemory, memoryBudget } from "#softrepa/training/plan/fit.js";
import { sessionMemory } from "#softrepa/training/plan/memory.js";
import { possiblePlans } from "#softrepa/training/plan/possible-plans.js";
import { openSafetensors, readTensor, writeSafetensors } from "#softrepa/weights/safetensors.js";
import { peakMemory } from "../measure.js";
import type { DecodeCase, DenoiserCase, PeerCase } from "./cases.js";
import { denoiserOf, guidance, type PreparedCase } from "./prepare.js";

export const subjects = ["onnxruntime", "onnxruntime repacked", "openvino fp32", "openvino bf16"] as const;
export type Subject = (typeof subjects)[number];

export const timingSchema = z.object({ seconds: z.array(z.number()), peakMemory: z.number() });
export type Timing = z.infer<typeof timingSchema>;

type Tensors = Readonly<Record<string, FloatTensor>>;

/** Runs a case in this process; returns its times and the peak memory of the process. */
export async function runSubject(
  subject: Subject,
  peerCase: PeerCase,
  files: PreparedCase,
  results: string,
  runs: number,
  threads: number,
): Promise<Timing> {
  const engine = await openSubject(subject, threads);
  const inputs = await readAll(files.inputs);
  const repackWeights = subject === "onnxruntime repacked";
  const run = await (peerCase.task === "decode"
    ? openDecoder(engine, peerCase, files.weights, inputs)
    : openDenoiser(engine, peerCase, files.weights, repackWeights, inputs));
  let found: Tensors = {};
  for (let warmUp = 0; warmUp < 2; warmUp++) found = await run();
  const seconds: number[] = [];
  for (let index = 0; index < runs; index++) {
    const start = performance.now();
    found = await run();
    seconds.push((performance.now() - start) / 1000);
  }
  await writeSafetensors(results, new Map(Object.entries(found)));
  const memory = peakMemory();
  if (memory === null) throw new InputError("this system does not report the peak memory of a process");
  await engine.close();
  return { seconds, peakMemory: memory };
}

async function openSubject(subject: Subject, threads: number): Promise<Engine> {
  if (subject.startsWith("onnxruntime")) return new OnnxRuntimeEngine("cpu", threads);
  const library = findOpenVino();
  if (library === null) throw new InputError("OpenVINO is not installed");
  return OpenVinoEngine.open(library, subject === "openvino fp32" ? "fp32" : "bf16", threads);
}

async function openDenoiser(
  engine: Engine,
  peerCase: DenoiserCase,
  weights: string,
  repackWeights: boolean,
  { sample, target, timestep, prompt_embeds, pooled, soft }: Tensors,
): Promise<() => Promise<Tensors>> {
  const { promptCount, latentShape, softTokens: shape } = peerCase;
  const denoiser = denoiserOf(peerCase).open(engine, await openSafetensors(weights));
  const form = { shape, stages: denoiser.softTokenLayout.stages };
  const conditioning = { prompt_embeds, ...(pooled && { pooled }) };
  const softTokens = floatTensor(shape, soft.data);
  if (peerCase.task === "train") {
    const options = chooseOptions(denoiser, repackWeights, promptCount, latentShape, form);
    const step = await compilePairErrors(denoiser, options);
    const feeds = { sample, target, timestep, softTokens };
    return async () => {
      const all: FloatTensor[][] = [];
      for (const { batch, real } of paddedBatches([...Array(promptCount).keys()], options.plan.pairsPerRun)) {
        const run = await step.run({ ...feeds, conditioning: selectConditioning(conditioning, batch) });
        const errors = floatTensor([batch.length], run.errors);
        const gradients = floatTensor([batch.length, run.gradients.length / batch.length], run.gradients);
        all.push([rows(errors, 0, real), rows(gradients, 0, real)]);
      }
      const [errors, gradients] = [0, 1].map((which) => concatRows(all.map((run) => run[which])));
      return { errors, gradients };
    };
  }
  const step = await compileGuidedDenoiser(denoiser, {
    images: 1,
    latentShape,
    guided: true,
    softTokens: form,
    repackWeights,
  });
  const feeds = { sample, timestep: timestep.data[0], conditioning, softTokens, guidanceScale: guidance };
  return async () => ({ prediction: await step.run(feeds) });
}

/** The training graph that a run would select on this machine; does the same as `fitRun`, for a denoiser without a pipeline. */
function chooseOptions(
  denoiser: Denoiser,
  repackWeights: boolean,
  promptCount: number,
  latentShape: Shape,
  softTokens: SoftTokenSpec,
): PairErrorOptions {
  const tokensPerPair = denoiser.tokensPerPair(latentShape);
  const { precision } = denoiser.engine;
  const plans = possiblePlans({
    pairs: promptCount,
    tokensPerPair,
    precision,
    checkpoints: "auto",
    repack: repackWeights ? "always" : "never",
    limited: false,
  });
  const all = plans.map((plan): PairErrorOptions => {
    return { plan, latentShape, images: "shared", softTokens, gradients: true };
  });
  const limit = memoryBudget(machineMemory());
  const fits = (options: PairErrorOptions) => {
    const { graph, outputs } = pairErrorGraph(denoiser, options);
    const built = { graph, outputs: Object.values(outputs) };
    const { activations, session } = sessionMemory(built);
    return activations + session + estimateMemory(graph, built.outputs).weights <= limit;
  };
  const found = all.find(fits) ?? all.at(-1);
  if (found === undefined) throw new InputError("a row without pairs cannot be run");
  return found;
}

async function openDecoder(
  engine: Engine,
  { config, latentShape }: DecodeCase,
  weights: string,
  { latents }: Tensors,
): Promise<() => Promise<Tensors>> {
  const graph = new Graph();
  const w = Weights.of(graph, await openSafetensors(weights));
  const image = vaeDecoder(w, autoencoderConfigSchema.parse(config), input(graph, "latents", [1, ...latentShape]));
  const session = await engine.compile(writeOnnx(graph, { image }, engine.target));
  return async () => ({ image: (await session.run({ latents })).image as FloatTensor });
}

async function readAll(file: string): Promise<Tensors> {
  const { tensors } = await openSafetensors(file);
  const read = [...tensors].map(async ([name, stored]) => [name, await readTensor(stored)] as const);
  return Object.fromEntries(await Promise.all(read));
}
