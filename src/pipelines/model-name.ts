/** @file The name of a model in metadata. */

import { basename, resolve } from "node:path";

/** The name of its folder, or of its file without the extension. */
export function modelName(path: string): string {
  return basename(resolve(path)).replace(/\.(?:safetensors|ckpt)$/i, "");
}
