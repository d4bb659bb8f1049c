/** @file The OpenVINO engine, which can compute in bf16 on processors that support it. */

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
    // Flipped kernels save a quarter of the time of a training row of Stable Diffusion 1.5 in bf16, so they are always used; in fp32, 3%.
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
   * Opens the library in the file `library`. `auto` is bf16 if the processor supports it; `threads` 0 means one per
   * physical core.
   *
   * @throws RuntimeFailure if the library cannot be loaded or the processor does not support `precision`.
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
    // Imported here because koffi is only needed with OpenVINO.
    const { loadOpenVino } = await import("./library.js");
    const openvino = loadOpenVino(library);
    const core = openvino.createCore();
    const capabilities = openvino.getProperty(core, "CPU", "OPTIMIZATION_CAPABILITIES");
    openvino.free("core", core);
    return { version: openvino.version, hasBf16: capabilities.split(/\s+/).includes("BF16") };
  } catch (error) {
    throw new RuntimeFailure(`${library} could not be loaded as OpenVINO: ${singleLine(error)}`);
  }
}

function singleLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error)
    .replace(/\s+/g, " ")
    .trim();
}
