/** @file The options of all onnxruntime sessions, in a separate file so that tests can show the effect of each. */

import type { InferenceSession } from "onnxruntime-node";
import type { OnnxModel } from "../../graph/onnx/model.js";
import type { CompileOptions, Provider } from "../engine.js";

export interface WorkerSettings {
  readonly provider: Provider;
  /** Threads inside one operator; 0 means one per physical core. */
  readonly threads: number;
}

/**
 * Chosen by measurements on onnxruntime 1.30. Without memory patterns, forward and backward graphs have a 40% lower peak.
 * Constant folding, common subexpression elimination and level "all" make float32 copies of half-precision weights.
 * Prepacking and blocked channels for convolutions copy weights that otherwise stay mapped, so they are only used for
 * repacked weights. Values under `extra` must be strings; onnxruntime silently ignores unknown keys.
 */
export function sessionOptions(
  { provider, threads }: WorkerSettings,
  { weightFolder, repacksWeights }: Pick<OnnxModel, "weightFolder" | "repacksWeights">,
  options: CompileOptions,
): InferenceSession.SessionOptions {
  const session: Record<string, string> = {};
  if (weightFolder !== null) session.model_external_initializers_file_folder_path = weightFolder;
  if (!repacksWeights) session.disable_prepacking = "1";
  // Eliminating common subexpressions would undo the recomputation of checkpoints.
  const optimizers = ["CommonSubexpressionElimination"];
  if (!repacksWeights) optimizers.push("ConstantFolding", "NchwcTransformer");
  return {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    executionMode: "sequential",
    enableMemPattern: false,
    logSeverityLevel: 4,
    graphOptimizationLevel: "layout",
    extra: {
      session,
      optimization: { disable_specified_optimizers: optimizers.join(";") },
    },
    ...(options.profilePrefix ? { enableProfiling: true, profileFilePrefix: options.profilePrefix } : {}),
  };
}
