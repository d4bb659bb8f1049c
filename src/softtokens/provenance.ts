/** @file Who made soft tokens: metadata in the ModelSpec standard's words and in softrepa's own, and what they tell of the base. */

import { createHash } from "node:crypto";
import { InputError } from "../core/errors.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { familyKey, type SoftTokens, sizesOf } from "./softtokens.js";

/** The metadata keys that name the base model, and hash it (`DiffusionPipeline.fingerprint`). */
export const baseKey = "softrepa.base";
export const baseHashKey = "softrepa.base_hash";

export interface Provenance {
  /** Of the program. */
  readonly version: string;
  readonly base: { readonly name: string; readonly hash: string };
  /** Training steps done, and pixels a side of its images. */
  readonly steps: number;
  readonly resolution: number;
  /** Of names and captions (`dataFingerprint`). */
  readonly data: string;
  /** Objective, rates, seed: by name, as in the configuration. */
  readonly settings: Readonly<Record<string, string | number>>;
}

/**
 * The tokens with metadata that says all this. There is no date in it, although ModelSpec has a key for one: the same training
 * gives the same bytes.
 */
export function withProvenance(
  tokens: SoftTokens,
  { family, architecture }: Pick<DiffusionPipeline, "family" | "architecture">,
  made: Provenance,
): SoftTokens {
  const { layers, count, buckets } = sizesOf(tokens, "soft tokens");
  const own: Record<string, string | number> = {
    ...made.settings,
    ...{ version: made.version, layers, count, buckets, steps: made.steps, data_hash: made.data },
  };
  const standard = {
    sai_model_spec: "1.0.1",
    architecture: `${architecture}/soft-tokens`,
    implementation: "softrepa",
    title: `soft text tokens for ${made.base.name}`,
    resolution: `${made.resolution}x${made.resolution}`,
    usage_hint: "softrepa generate --tokens FILE",
    hash_sha256: `0x${contentHash(tokens)}`,
  };
  const prefixed = (prefix: string, values: Readonly<Record<string, string | number>>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, String(value)]));
  return {
    ...tokens,
    metadata: {
      ...tokens.metadata,
      ...prefixed("softrepa", own),
      ...prefixed("modelspec", standard),
      [familyKey]: family,
      [baseKey]: made.base.name,
      [baseHashKey]: made.base.hash,
    },
  };
}

/**
 * What is wrong with using these tokens on the base of this hash, in words; undefined where nothing is, or where the tokens do
 * not say what they were trained on.
 */
export function baseMismatch({ metadata }: SoftTokens, hash: string): string | undefined {
  const trainedOn = metadata[baseHashKey];
  if (trainedOn === undefined || trainedOn === hash) return undefined;
  const name = metadata[baseKey] ?? "another model";
  return `the tokens were trained on ${JSON.stringify(name)} (${trainedOn.slice(0, 12)}), this model is another one (${hash.slice(0, 12)})`;
}

/** Refuses tokens of another base, or with `force` tells of them. */
export function requireBase(tokens: SoftTokens, hash: string, force: boolean, warn: (message: string) => void): void {
  const fault = baseMismatch(tokens, hash);
  if (fault === undefined) return;
  if (!force) throw new InputError(`${fault}; \`force\` uses them all the same`);
  warn(fault);
}

/** Of the numbers as the file has them: tensors in the order of their names. */
function contentHash({ tokens, timeTable }: SoftTokens): string {
  const hash = createHash("sha256");
  for (const { data } of timeTable === null ? [tokens] : [timeTable, tokens]) {
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}
