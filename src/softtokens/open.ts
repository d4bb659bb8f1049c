/** @file Opens soft tokens for a pipeline. */

import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { readSoftTokens } from "./formats/index.js";
import { requireBase } from "./provenance.js";
import { requireFit, type SoftTokens } from "./softtokens.js";

export interface OpenTokensOptions {
  /** Warn instead of failing if the tokens fit but were trained on another base model (default false). */
  readonly force?: boolean | undefined;
  readonly warn: (message: string) => void;
}

/**
 * Reads soft tokens and checks that they belong to the pipeline's model; null without a path.
 *
 * @throws InputError if the file is damaged or the tokens belong to another model
 */
export async function openTokens(
  path: string | undefined,
  pipeline: DiffusionPipeline,
  { force = false, warn }: OpenTokensOptions,
): Promise<SoftTokens | null> {
  if (path === undefined) return null;
  const tokens = await readSoftTokens(path);
  requireFit(tokens, pipeline.softTokenLayout);
  requireBase(tokens, await pipeline.fingerprint(), force, (message) => warn(`${path}: ${message}`));
  return tokens;
}
