/** @file The options of every onnxruntime session, in a file of their own so that tests can show what each one does. */

import type { InferenceSession } from "onnxruntime-node";
import type { OnnxModel } from "../../graph/onnx/model.js";
import type { CompileOptions, Provider } from "../engine.js";

export interface WorkerSettings {
  readonly provider: Provider;
  /** Threads inside one operator; 0 lets onnxruntime take one per physical core. */
  readonly threads: number;
}

/**
 * Options as measured on onnxruntime 1.30: memory patterns off lowers the peak of forward+backward graphs by 40%;
 * constant folding, common subexpressions and level "all" make float32 copies of half-precision weights; prepacking, and
 * blocked channels for convolutions, copy weights that otherwise stay mapped: both only where they are to be repacked. Values under `extra` must be strings; keys that
 * onnxruntime does not know are ignored without a word.
 */
export function sessionOptions(
  { provider, threads }: WorkerSettings,
  { weightFolder, repacksWeights }: Pick<OnnxModel, "weightFolder" | "repacksWeights">,
  options: CompileOptions,
): InferenceSession.SessionOptions {
  const session: Record<string, string> = {};
  if (weightFolder !== null) session.model_external_initializers_file_folder_path = weightFolder;
  if (!repacksWeights) session.disable_prepacking = "1";
  // Common subexpressions are what checkpoints compute a second time on purpose.
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
