/** @file Opens engine and model for a command, and closes them afterwards. */

import { resolve } from "node:path";
import { openPipeline } from "../../families/open.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import type { Engine } from "../../runtime/engine.js";
import { openEngine } from "../../runtime/open-engine.js";
import { engineRequest, type MachineOptions, type ModelFileOptions } from "../common.js";
import type { Reporter } from "../reporter.js";

type ModelOptions = Partial<ModelFileOptions> &
  Omit<MachineOptions, "json" | "threads"> & {
    readonly model: string;
    readonly threads?: number | undefined;
    readonly maxSequenceLength?: number | undefined;
  };

/** Runs `body`, which may open the pipeline once, and always closes engine and pipeline afterwards. */
export async function withOpener<T>(
  options: ModelOptions,
  reporter: Reporter,
  body: (open: () => Promise<DiffusionPipeline>) => Promise<T>,
): Promise<T> {
  const { variant, maxSequenceLength, tokenizers, textEncoders } = options;
  let engine: Engine | undefined;
  try {
    return await body(async () => {
      const opened = await openEngine(engineRequest(options));
      engine = opened.engine;
      const { rejected } = opened;
      const files = { variant, maxSequenceLength, tokenizers, textEncoders };
      const pipeline = await openPipeline(options.model, engine, files);
      const { library, provider, precision } = engine;
      const fields = { folder: resolve(options.model), family: pipeline.family, engine: library, provider, precision };
      // `passedOver` is the former name of `rejected`, kept for scripts that read it.
      reporter.event("model", { ...fields, rejected, passedOver: rejected }, describeEngine(engine));
      return pipeline;
    });
  } finally {
    await engine?.close();
  }
}

/** Opens engine and pipeline, runs `body`, and always closes both afterwards. */
export function withPipeline<T>(
  options: ModelOptions,
  reporter: Reporter,
  body: (pipeline: DiffusionPipeline) => Promise<T>,
): Promise<T> {
  return withOpener(options, reporter, async (open) => body(await open()));
}

/** Describes an engine other than onnxruntime on the CPU, because its results differ in the last bits. */
export function describeEngine({ library, provider, precision }: Engine): string | undefined {
  if (library === "openvino") return `computing in ${precision} with OpenVINO (--engine onnxruntime: in fp32)`;
  return provider === "cpu" ? undefined : `computing with ${library} on ${provider}`;
}
