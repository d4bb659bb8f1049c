/** @file Writes what was trained as a diffusers folder of Stable Diffusion 3's layout, in half precision. */

import { join } from "node:path";
import { writeFileAtomic } from "#softrepa/core/files.js";
import type { FloatTensor, Tensor } from "#softrepa/core/tensor.js";
import { float32ToFloat16 } from "#softrepa/weights/half.js";
import { writeSafetensors } from "#softrepa/weights/safetensors.js";
import {
  bytePairs,
  clipJsons,
  modelIndexJson,
  schedulerJson,
  tokenizerJson,
  transformerJson,
  vaeJson,
} from "./configs.js";
import type { LatentScale } from "./scene-latents.js";

const weightsFile = "diffusion_pytorch_model.safetensors";

type Weights = ReadonlyMap<string, FloatTensor>;

export async function writeTokenizers(folder: string): Promise<void> {
  for (const name of ["tokenizer", "tokenizer_2"]) {
    await writeJson(join(folder, name, "vocab.json"), bytePairs.vocab);
    await writeFileAtomic(join(folder, name, "merges.txt"), `#version: 0.2\n${bytePairs.merges.join("\n")}\n`);
    await writeJson(join(folder, name, "tokenizer_config.json"), tokenizerJson);
    const { bos_token, eos_token, unk_token, pad_token } = tokenizerJson;
    await writeJson(join(folder, name, "special_tokens_map.json"), { bos_token, eos_token, unk_token, pad_token });
  }
}

/** `transformer` holds the text encoders as well, each network under its folder's name. */
export async function writePipeline(
  folder: string,
  autoencoder: Weights,
  transformer: Weights,
  { shift, scale }: LatentScale,
): Promise<void> {
  await writeTokenizers(folder);
  await writeJson(join(folder, "scheduler", "scheduler_config.json"), schedulerJson);
  await writeJson(join(folder, "vae", "config.json"), { ...vaeJson, scaling_factor: scale, shift_factor: shift });
  await writeWeights(join(folder, "vae", weightsFile), autoencoder);
  await writeJson(join(folder, "transformer", "config.json"), transformerJson);
  const part = (name: string) => below(transformer, name);
  await writeWeights(join(folder, "transformer", weightsFile), part("transformer"));
  for (const [index, name] of ["text_encoder", "text_encoder_2"].entries()) {
    await writeJson(join(folder, name, "config.json"), clipJsons[index]);
    await writeWeights(join(folder, name, "model.safetensors"), part(name));
  }
  await writeJson(join(folder, "model_index.json"), modelIndexJson);
}

function below(weights: Weights, name: string): Weights {
  const prefix = `${name}.`;
  return new Map(
    [...weights].flatMap(([key, tensor]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), tensor]] : [])),
  );
}

function writeWeights(file: string, weights: Weights): Promise<void> {
  const halves = [...weights].map(([name, { shape, data }]): [string, Tensor] => [
    name,
    { dtype: "float16", shape, data: float32ToFloat16(data) },
  ]);
  return writeSafetensors(file, new Map(halves), { format: "pt" });
}

function writeJson(file: string, value: unknown): Promise<void> {
  return writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`);
}
