/** @file OpenVINO as an engine: reads the same ONNX, and computes in bf16 on processors that have it. */

import { RuntimeFailure } from "../../core/errors.js";
import type { Precision } from "../engine.js";
import { WorkerEngine } from "../worker-engine.js";
import type { WorkerSettings } from "./worker.js";

export class OpenVinoEngine extends WorkerEngine {
  private constructor(
    /** The library's own version. */
    readonly version: string,
    settings: WorkerSettings,
  ) {
    const { precision } = settings;
    // In bf16 turned kernels take a quarter off a training row of Stable Diffusion 1.5 and are always worth their memory; in fp32, 3%.
    const repacksWeights = precision === "bf16";
    const target = {
      fusedAttention: false,
      layerNormStatistics: false,
      hiddenShapes: false,
      repacksWeights,
      sharesCasts: false,
    };
    const repackingTarget = repacksWeights ? null : { ...target, repacksWeights: true };
    const description = { library: "openvino", provider: "cpu", precision, target, repackingTarget } as const;
    super(description, new URL("./worker.js", import.meta.url), settings);
  }

  /**
   * Opens the library in the file `library`. `auto` is bf16 where the processor has it; `threads` 0 lets the library take
   * one per physical core.
   */
  static async open(library: string, precision: Precision | "auto", threads = 0): Promise<OpenVinoEngine> {
    const { version, hasBf16 } = await examine(library);
    if (precision === "bf16" && !hasBf16) {
      throw new RuntimeFailure("this processor does not compute in bf16: use `precision` fp32");
    }
    const chosen = precision === "auto" ? (hasBf16 ? "bf16" : "fp32") : precision;
    return new OpenVinoEngine(version, { library, precision: chosen, threads });
  }
}

async function examine(library: string): Promise<{ version: string; hasBf16: boolean }> {
  try {
    // Only here: the package that calls native libraries is not needed where OpenVINO is not.
    const { loadOpenVino } = await import("./library.js");
    const openvino = loadOpenVino(library);
    const core = openvino.createCore();
    const capabilities = openvino.getProperty(core, "CPU", "OPTIMIZATION_CAPABILITIES");
    openvino.free("core", core);
    return { version: openvino.version, hasBf16: capabilities.split(/\s+/).includes("BF16") };
  } catch (error) {
    throw new RuntimeFailure(`${library} could not be loaded as OpenVINO: ${plainMessage(error)}`);
  }
}

function plainMessage(error: unknown): string {
  return String(error instanceof Error ? error.message : error)
    .replace(/\s+/g, " ")
    .trim();
}
