/** @file Which accelerators it is worth asking onnxruntime for: asking for one that is not there makes native libraries chatter. */

import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Provider } from "./engine.js";

/** Accelerators that this machine may have, best first. */
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

/** onnxruntime-node's install script fetches the CUDA library; without it the provider cannot load. */
function hasCudaLibrary(): boolean {
  const { resolve } = createRequire(import.meta.url);
  const binaries = join(dirname(resolve("onnxruntime-node/package.json")), "bin", "napi-v6", "linux", process.arch);
  return existsSync(join(binaries, "libonnxruntime_providers_cuda.so"));
}

/** A kernel device of a graphics card, or a Vulkan driver that the user names. */
function hasGraphicsDevice(): boolean {
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES) return true;
  if (existsSync("/dev/nvidia0") || existsSync("/dev/dxg")) return true;
  return existsSync("/dev/dri") && readdirSync("/dev/dri").some((name) => name.startsWith("render"));
}
