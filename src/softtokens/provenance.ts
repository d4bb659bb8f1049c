/** @file The metadata of trained soft tokens, following ModelSpec plus keys of softrepa, and the check of their base model. */

import { createHash } from "node:crypto";
import { InputError } from "../core/errors.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { familyKey, type SoftTokens, sizesOf } from "./softtokens.js";

/** The metadata key with the name of the base model. */
export const baseKey = "softrepa.base";
/** The metadata key with its hash (`DiffusionPipeline.fingerprint`). */
export const baseHashKey = "softrepa.base_hash";

export interface Provenance {
  /** Version of softrepa. */
  readonly version: string;
  readonly base: { readonly name: string; readonly hash: string };
  /** Finished training steps. */
  readonly steps: number;
  /** Image size in pixels. */
  readonly resolution: number;
  /** `dataFingerprint` of the training data. */
  readonly data: string;
  /** Objective, learning rates, seed, ..., by their names in the configuration. */
  readonly settings: Readonly<Record<string, string | number>>;
}

/**
 * Adds provenance metadata to soft tokens. Omits ModelSpec's date, so that equal training runs write equal bytes.
 */
export function withProvenance(
  tokens: SoftTokens,
  { family, architecture }: Pick<DiffusionPipeline, "family" | "architecture">,
  provenance: Provenance,
): SoftTokens {
  const { layers, count, buckets } = sizesOf(tokens, "soft tokens");
  const ownKeys: Record<string, string | number> = {
    ...provenance.settings,
    ...{ version: provenance.version, layers, count, buckets, steps: provenance.steps, data_hash: provenance.data },
  };
  const modelSpec = {
    sai_model_spec: "1.0.1",
    architecture: `${architecture}/soft-tokens`,
    implementation: "softrepa",
    title: `soft text tokens for ${provenance.base.name}`,
    resolution: `${provenance.resolution}x${provenance.resolution}`,
    usage_hint: "softrepa generate --tokens FILE",
    hash_sha256: `0x${contentHash(tokens)}`,
  };
  const prefixed = (prefix: string, values: Readonly<Record<string, string | number>>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, String(value)]));
  return {
    ...tokens,
    metadata: {
      ...tokens.metadata,
      ...prefixed("softrepa", ownKeys),
      ...prefixed("modelspec", modelSpec),
      [familyKey]: family,
      [baseKey]: provenance.base.name,
      [baseHashKey]: provenance.base.hash,
    },
  };
}

/**
 * Describes the mismatch if the tokens were trained on another base model than the one with this hash; undefined if they were not, or
 * have no such metadata.
 */
export function baseMismatch({ metadata }: SoftTokens, hash: string): string | undefined {
  const trainedOn = metadata[baseHashKey];
  if (trainedOn === undefined || trainedOn === hash) return undefined;
  const name = metadata[baseKey] ?? "another model";
  return `the tokens were trained on ${JSON.stringify(name)} (${trainedOn.slice(0, 12)}), not on this model (${hash.slice(0, 12)})`;
}

/** Throws an InputError if the tokens were trained on another base model; with `force`, only warns. */
export function requireBase(tokens: SoftTokens, hash: string, force: boolean, warn: (message: string) => void): void {
  const mismatch = baseMismatch(tokens, hash);
  if (mismatch === undefined) return;
  if (!force) throw new InputError(`${mismatch}; use \`force\` to use them anyway`);
  warn(mismatch);
}

/** Hash of the values as in a safetensors file: tensors in the order of their names. */
function contentHash({ tokens, timeTable }: SoftTokens): string {
  const hash = createHash("sha256");
  for (const { data } of timeTable === null ? [tokens] : [timeTable, tokens]) {
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}
