/** @file softrepa's own format: a safetensors file with `tokens`, `t_tokens` and metadata. */

import { InputError } from "../../core/errors.js";
import type { FloatTensor } from "../../core/tensor.js";
import { readTensor, writeSafetensors } from "../../weights/safetensors.js";
import type { StoredTensor } from "../../weights/source.js";
import { type Placement, placements, sizesOf } from "../softtokens.js";
import type { TokenFormat } from "./format.js";

const formatKey = "softrepa.format";
export const placementKey = "softrepa.placement";
const version = "1";

export const softrepa: TokenFormat = {
  title: "softrepa safetensors",
  keepsMetadata: true,

  detect: (file) => file.kind === "safetensors" && formatKey in file.source.metadata,

  async read(file) {
    if (file.kind !== "safetensors") throw new RangeError("read() needs a file that detect() accepts");
    const { path, source } = file;
    const { [formatKey]: format, [placementKey]: placement, ...metadata } = source.metadata;
    if (format !== version) {
      throw new InputError(
        `${path}: format version ${JSON.stringify(format)} is not supported, only ${version}: update softrepa`,
      );
    }
    const { tokens, t_tokens, ...unknown } = Object.fromEntries<StoredTensor | undefined>(source.tensors);
    if (tokens === undefined) throw new InputError(`${path} has no tensor named tokens`);
    const [extra] = Object.keys(unknown);
    if (extra !== undefined)
      throw new InputError(`${path}: the tensor ${JSON.stringify(extra)} does not belong to soft tokens`);
    const result = {
      placement: parsePlacement(path, placement),
      tokens: await readTensor(tokens),
      timeTable: t_tokens === undefined ? null : await readTensor(t_tokens),
      metadata,
    };
    sizesOf(result, path);
    return result;
  },

  async write(path, { placement, tokens, timeTable, metadata }) {
    const tensors = new Map<string, FloatTensor>([["tokens", tokens]]);
    if (timeTable !== null) tensors.set("t_tokens", timeTable);
    await writeSafetensors(path, tensors, { ...metadata, [formatKey]: version, [placementKey]: placement });
    return [path];
  },
};

export function parsePlacement(path: string, value: string | undefined): Placement {
  const placement = placements.find((known) => known === value);
  if (placement === undefined) {
    throw new InputError(
      `${path}: ${placementKey} is ${JSON.stringify(value ?? null)}, not ${placements.join(" or ")}`,
    );
  }
  return placement;
}
