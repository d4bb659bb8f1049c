/** @file Soft tokens from a file, for one pipeline. */

import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { readSoftTokens } from "./formats/index.js";
import { requireBase } from "./provenance.js";
import { requireFit, type SoftTokens } from "./softtokens.js";

export interface OpenTokensOptions {
  /** Only warn of tokens that fit but were trained on another base. */
  readonly force?: boolean | undefined;
  readonly warn: (message: string) => void;
}

/** Reads soft tokens and refuses those that belong to another model; null without a path. */
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
