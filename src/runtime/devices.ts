/** @file Detects likely accelerators, because onnxruntime's native libraries log errors when a requested one is missing. */

import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Provider } from "./engine.js";

/** Accelerators that this machine may have, fastest first. */
export function candidateAccelerators(): readonly Provider[] {
  switch (process.platform) {
    case "linux":
      return [...(hasCudaLibrary() ? (["cuda"] as const) : []), ...(hasGraphicsDevice() ? (["webgpu"] as const) : [])];
    case "win32":
      return ["dml", "webgpu"];
    case "darwin":
      return ["webgpu"];
    default:
      return [];
  }
}

/** Whether onnxruntime-node's install script has downloaded the CUDA library, which the provider needs. */
function hasCudaLibrary(): boolean {
  const { resolve } = createRequire(import.meta.url);
  const binaries = join(dirname(resolve("onnxruntime-node/package.json")), "bin", "napi-v6", "linux", process.arch);
  return existsSync(join(binaries, "libonnxruntime_providers_cuda.so"));
}

/** Whether there is a device file of a graphics card, or a Vulkan driver that the user has set. */
function hasGraphicsDevice(): boolean {
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES) return true;
  if (existsSync("/dev/nvidia0") || existsSync("/dev/dxg")) return true;
  return existsSync("/dev/dri") && readdirSync("/dev/dri").some((name) => name.startsWith("render"));
}
