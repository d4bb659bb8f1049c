/** @file How a model is called in files. */

import { basename, resolve } from "node:path";

/** As its folder, or as its file without the ending. */
export function modelName(path: string): string {
  return basename(resolve(path)).replace(/\.(?:safetensors|ckpt)$/i, "");
}
