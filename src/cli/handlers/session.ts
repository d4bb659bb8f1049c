/** @file What every command that opens a model does first and last. */

import { basename, resolve } from "node:path";
import { openPipeline } from "../../pipelines/open.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../../pipelines/pipeline.js";
import { engineSelfTest } from "../../pipelines/self-test.js";
import type { Engine } from "../../runtime/engine.js";
import { openEngine } from "../../runtime/open-engine.js";
import { readSoftTokens } from "../../softtokens/formats/index.js";
import { requireBase } from "../../softtokens/provenance.js";
import { requireFit, type SoftTokens } from "../../softtokens/softtokens.js";
import { engineRequest, type MachineOptions, type ModelFileOptions } from "../common.js";
import { shorten } from "../format/text.js";
import type { Reporter } from "../reporter.js";

interface ModelOptions extends ModelFileOptions, MachineOptions {
  readonly model: string;
  readonly maxSequenceLength: number | undefined;
}

/** Opens engine and pipeline, runs `body`, and frees both whatever happens. */
export async function withPipeline<T>(
  options: ModelOptions,
  reporter: Reporter,
  body: (pipeline: DiffusionPipeline) => Promise<T>,
): Promise<T> {
  const { variant, maxSequenceLength, tokenizer: tokenizers, textEncoders } = options;
  const { engine, passedOver } = await openEngine(engineRequest(options), engineSelfTest);
  try {
    const pipeline = await openPipeline(options.model, engine, {
      variant,
      maxSequenceLength,
      tokenizers,
      textEncoders,
    });
    const { library, provider, precision } = engine;
    const fields = { folder: resolve(options.model), family: pipeline.family, engine: library, provider, precision };
    reporter.event("model", { ...fields, passedOver }, describeEngine(engine));
    return await body(pipeline);
  } finally {
    await engine.close();
  }
}

/** Said where it is not what every machine has: another seldom gives the very same numbers. */
export function describeEngine({ library, provider, precision }: Engine): string | undefined {
  if (library === "openvino") return `computing in ${precision} with OpenVINO (--engine onnxruntime: in fp32)`;
  return provider === "cpu" ? undefined : `computing with ${library} on ${provider}`;
}

/**
 * Reads soft tokens and refuses those that belong to another model; null without a path. With `force`, tokens that fit but
 * were trained on another base are only warned of.
 */
export async function openTokens(
  path: string | undefined,
  pipeline: DiffusionPipeline,
  force: boolean,
  reporter: Reporter,
): Promise<SoftTokens | null> {
  if (path === undefined) return null;
  const tokens = await readSoftTokens(path);
  requireFit(tokens, pipeline.softTokenLayout);
  requireBase(tokens, await pipeline.fingerprint(), force, (message) => reporter.warn(`${path}: ${message}`));
  return tokens;
}

/** Warns once for each prompt that a text encoder does not read to its end. */
export function truncationWarner(reporter: Reporter): (cut: TruncatedPrompt) => void {
  const told = new Set<string>();
  return ({ prompt, encoder, limit, cut }) => {
    const key = `${encoder} ${prompt}`;
    if (told.has(key)) return;
    told.add(key);
    reporter.warn(
      `the prompt "${shorten(prompt, 40)}" is over the ${limit} tokens that ${encoder} reads; cut off: "${cut}"`,
    );
  };
}

/** How a model is named in files: as its folder, or as its file without the ending. */
export function modelName(path: string): string {
  return basename(resolve(path)).replace(/\.(?:safetensors|ckpt)$/i, "");
}
