/** @file The onnxruntime engine. */

import { unreachable } from "../../core/errors.js";
import type { Target } from "../../graph/onnx/model.js";
import type { Provider } from "../engine.js";
import { WorkerEngine } from "../worker-engine.js";
import type { WorkerSettings } from "./session-options.js";

/** Capabilities of each provider as tested (fused attention gave wrong results on a WebGPU adapter). */
function targetOf(provider: Provider): Target {
  switch (provider) {
    case "cpu":
      return {
        fusedAttention: true,
        layerNormStatistics: true,
        hiddenShapes: true,
        repacksWeights: false,
        sharesCasts: false,
      };
    case "webgpu":
    case "cuda":
    case "dml":
    case "coreml":
      return {
        fusedAttention: false,
        layerNormStatistics: false,
        hiddenShapes: false,
        repacksWeights: false,
        sharesCasts: false,
      };
    default:
      return unreachable(provider);
  }
}

/** With `threads` 0, onnxruntime uses one thread per physical core. */
export class OnnxRuntimeEngine extends WorkerEngine {
  constructor(provider: Provider, threads = 0) {
    const settings: WorkerSettings = { provider, threads };
    const target = targetOf(provider);
    // Other providers always copy weights into their own memory.
    const repackingTarget = provider === "cpu" ? { ...target, repacksWeights: true, sharesCasts: true } : null;
    const description = { library: "onnxruntime", provider, precision: "fp32", target, repackingTarget } as const;
    super(description, new URL("./worker.js", import.meta.url), settings);
  }
}
