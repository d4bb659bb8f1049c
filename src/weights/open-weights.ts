/** @file Opens weights in either format, safetensors or PyTorch. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint } from "./checkpoint.js";
import { errnoError } from "./read-bytes.js";
import { openSafetensors } from "./safetensors.js";
import type { WeightSource } from "./source.js";
import { openTorchFile } from "./torch-file.js";

/** Opens a safetensors or PyTorch file (.safetensors, .pt, .pth, .bin, .ckpt) without reading its tensors. */
export function openWeightFile(file: string): Promise<WeightSource> {
  return /\.safetensors$/i.test(file) ? openSafetensors(file) : openTorchFile(file);
}

/** Opens the weights of a transformers folder: model.safetensors, single or sharded, or else pytorch_model.bin. */
export async function openModelWeights(folder: string): Promise<WeightSource> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw errnoError(folder, error);
  });
  if (names.some((name) => /^model\..*safetensors/.test(name)) || !names.includes("pytorch_model.bin")) {
    return openCheckpoint(folder, "model");
  }
  return { ...(await openTorchFile(join(folder, "pytorch_model.bin"))), origin: folder };
}
