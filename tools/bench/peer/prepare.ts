/** @file Writes the files of a case that softrepa and PyTorch read: weights, inputs, and its description. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "#softrepa/core/files.js";
import { Generator } from "#softrepa/core/random.js";
import { floatTensor, type Tensor } from "#softrepa/core/tensor.js";
import { input } from "#softrepa/graph/ops.js";
import { autoencoderConfigSchema, vaeDecoder } from "#softrepa/models/autoencoder-kl.js";
import type { UnetStage } from "#softrepa/pipelines/pipeline.js";
import { cachedWeights } from "#softrepa/testing/synthetic/cached-weights.js";
import { type SyntheticDenoiser, syntheticDenoiser } from "#softrepa/testing/synthetic/denoiser.js";
import { weightShapes } from "#softrepa/testing/synthetic/weights.js";
import { writeSafetensors } from "#softrepa/weights/safetensors.js";
import type { DecodeCase, DenoiserCase, PeerCase } from "./cases.js";

/** The files of a case, as absolute paths. */
export interface PreparedCase {
  readonly weights: string;
  readonly inputs: string;
  /** case.json, for PyTorch. */
  readonly description: string;
}

export const guidance = 4;
const timestep = 500;

/** All stages get the soft tokens, because PyTorch's UNet uses the same text states in all of them. */
const stages: readonly UnetStage[] = ["down", "mid", "up"];

export function denoiserOf({ config, textLength }: DenoiserCase): SyntheticDenoiser {
  return syntheticDenoiser(config, { textLength, stages });
}

export async function prepare(
  peerCase: PeerCase,
  folder: string,
  runs: number,
  threads: number,
): Promise<PreparedCase> {
  const caseFolder = join(folder, peerCase.name);
  await mkdir(caseFolder, { recursive: true });
  const weights = await cacheWeights(peerCase, folder);
  const inputs = join(caseFolder, "inputs.safetensors");
  const tensors = peerCase.task === "decode" ? decodeInputs(peerCase) : denoiserInputs(peerCase);
  await writeSafetensors(inputs, new Map(Object.entries(tensors)));
  const description = join(caseFolder, "case.json");
  const { task, config } = peerCase;
  const content = { task, config, weights, inputs, arguments: argumentsOf[task], guidance, runs, threads };
  await writeFileAtomic(description, JSON.stringify(content, null, 2));
  return { weights, inputs, description };
}

/** Argument names of the functions in peer.py; missing inputs are None. */
const argumentsOf: Readonly<Record<PeerCase["task"], readonly string[]>> = {
  train: ["sample", "target", "timestep", "prompt_embeds", "pooled", "soft"],
  sample: ["sample", "timestep", "prompt_embeds", "pooled", "soft"],
  decode: ["latents"],
};

/** Writes weights in float16, like published checkpoints; returns the file. */
function cacheWeights(peerCase: PeerCase, folder: string): Promise<string> {
  if (peerCase.task !== "decode") {
    const { weights, buffers } = denoiserOf(peerCase);
    return cachedWeights(join(folder, peerCase.name.replace(/-.*/, "")), weights, buffers);
  }
  const config = autoencoderConfigSchema.parse(peerCase.config);
  const shapes = weightShapes((w, graph) =>
    vaeDecoder(w, config, input(graph, "latents", [1, ...peerCase.latentShape])),
  );
  return cachedWeights(join(folder, "autoencoder"), shapes, new Map());
}

function denoiserInputs(peerCase: DenoiserCase): Record<string, Tensor> {
  const random = new Generator(1);
  const { latentShape, promptCount, textLength, softTokens, config } = peerCase;
  const width =
    config._class_name === "SD3Transformer2DModel" ? config.joint_attention_dim : config.cross_attention_dim;
  const pooled = pooledWidth(config);
  return {
    sample: random.normal([1, ...latentShape]),
    target: random.normal([1, ...latentShape]),
    timestep: floatTensor([1], Float32Array.of(timestep)),
    prompt_embeds: random.normal([promptCount, textLength, Number(width)]),
    ...(pooled === null ? {} : { pooled: random.normal([promptCount, pooled]) }),
    soft: random.normal([1, ...softTokens]),
  };
}

function pooledWidth(config: DenoiserCase["config"]): number | null {
  if (config._class_name === "SD3Transformer2DModel") return Number(config.pooled_projection_dim);
  if (config.addition_embed_type !== "text_time") return null;
  return Number(config.projection_class_embeddings_input_dim) - 6 * Number(config.addition_time_embed_dim);
}

function decodeInputs({ latentShape }: DecodeCase): Record<string, Tensor> {
  return { latents: new Generator(1).normal([1, ...latentShape]) };
}
