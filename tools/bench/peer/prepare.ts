/** @file The files of one case, which both sides read: weights, inputs, and what is to be done with them. */

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

/** What a case's softrepa and PyTorch are told; paths are absolute. */
export interface PreparedCase {
  readonly weights: string;
  readonly inputs: string;
  /** case.json, for PyTorch. */
  readonly description: string;
}

export const guidance = 4;
const timestep = 500;

/** All stages see the soft tokens: so do those of PyTorch's UNet, which has one text for all of them. */
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
  const own = join(folder, peerCase.name);
  await mkdir(own, { recursive: true });
  const weights = await writeWeights(peerCase, folder);
  const inputs = join(own, "inputs.safetensors");
  const tensors = peerCase.work === "decode" ? decodeInputs(peerCase) : denoiserInputs(peerCase);
  await writeSafetensors(inputs, new Map(Object.entries(tensors)));
  const description = join(own, "case.json");
  const { work, config } = peerCase;
  const told = { work, config, weights, inputs, arguments: argumentsOf[work], guidance, runs, threads };
  await writeFileAtomic(description, JSON.stringify(told, null, 2));
  return { weights, inputs, description };
}

/** PyTorch's functions' arguments by their names in the file; those that are not there are None. */
const argumentsOf: Readonly<Record<PeerCase["work"], readonly string[]>> = {
  train: ["sample", "target", "timestep", "prompt_embeds", "pooled", "soft"],
  sample: ["sample", "timestep", "prompt_embeds", "pooled", "soft"],
  decode: ["latents"],
};

/** In float16, as checkpoints are published. */
function writeWeights(peerCase: PeerCase, folder: string): Promise<string> {
  if (peerCase.work !== "decode") {
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
  const { latentShape, texts, textLength, softTokens, config } = peerCase;
  const width =
    config._class_name === "SD3Transformer2DModel" ? config.joint_attention_dim : config.cross_attention_dim;
  const pooled = pooledWidth(config);
  return {
    sample: random.normal([1, ...latentShape]),
    target: random.normal([1, ...latentShape]),
    timestep: floatTensor([1], Float32Array.of(timestep)),
    prompt_embeds: random.normal([texts, textLength, Number(width)]),
    ...(pooled === null ? {} : { pooled: random.normal([texts, pooled]) }),
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
