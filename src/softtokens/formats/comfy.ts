/**
 * @file The safetensors format of anima_lora and its ComfyUI node: `tokens` [layers,count,width] and `t_offsets.weight`
 * [buckets, layers*width], both required. The bucket of a timestep is floor(sigma * buckets), as in softrepa.
 *
 * `ss_splice_position` is the position of the tokens in that model's padded text: over its end (`end_of_sequence`, the default) or
 * directly after the caption (`front_of_padding`). In both cases each block gets its own tokens as additional text tokens, and
 * attention ignores the order of text tokens, so both are "prefix" here.
 */

import { InputError } from "../../core/errors.js";
import { type FloatTensor, floatTensor, formatShape } from "../../core/tensor.js";
import { readTensor, writeSafetensors } from "../../weights/safetensors.js";
import { type SoftTokens, sizesOf } from "../softtokens.js";
import type { TokenFormat } from "./format.js";
import { parsePlacement, placementKey } from "./softrepa.js";

const spliceKey = "ss_splice_position";
const splicePositions = ["front_of_padding", "end_of_sequence"];

/** Marks a time table of zeros that was written only because the format requires one. */
const noTableKey = "softrepa.no_time_table";
const bucketsWithoutTable = 100;

export const comfy: TokenFormat = {
  title: "ComfyUI (anima_lora) safetensors",
  keepsMetadata: true,

  detect: (file) => file.kind === "safetensors" && file.source.tensors.has("t_offsets.weight"),

  async read(file) {
    if (file.kind !== "safetensors") throw new RangeError("read() needs a file that detect() accepts");
    const { path, source } = file;
    const storedTokens = source.tensors.get("tokens");
    const storedOffsets = source.tensors.get("t_offsets.weight");
    if (storedTokens === undefined || storedOffsets === undefined || source.tensors.size !== 2) {
      throw new InputError(
        `${path} must contain exactly the tensors tokens and t_offsets.weight, it contains ${[...source.tensors.keys()].join(", ")}`,
      );
    }
    const splice = source.metadata[spliceKey];
    if (splice !== undefined && !splicePositions.includes(splice)) {
      throw new InputError(`${path}: ${spliceKey} is ${JSON.stringify(splice)}, not ${splicePositions.join(" or ")}`);
    }
    const { [placementKey]: placement, [noTableKey]: noTable, ...metadata } = source.metadata;
    const { tokens, offsets } = positiveBank(path, await readTensor(storedTokens), await readTensor(storedOffsets));
    const result: SoftTokens = {
      placement: placement === undefined ? "prefix" : parsePlacement(path, placement),
      tokens,
      timeTable: noTable === undefined ? offsets : null,
      metadata,
    };
    const { width, timeWidth, buckets } = sizesOf(result, path);
    if (buckets > 0 && timeWidth !== width)
      throw new InputError(`${path}: t_offsets.weight is ${timeWidth} wide per layer, tokens are ${width}`);
    return result;
  },

  async write(path, softTokens) {
    const { placement, tokens, timeTable, metadata } = softTokens;
    const { layers, count, width, timeWidth, buckets } = sizesOf(softTokens, path);
    if (timeTable !== null && timeWidth !== width) {
      throw new InputError(
        `the comfy format requires equal widths of tokens and time table, these are ${width} and ${timeWidth}: use the softrepa format`,
      );
    }
    const offsets = timeTable ?? floatTensor([bucketsWithoutTable, layers * width]);
    const tensors = new Map([
      ["tokens", tokens],
      ["t_offsets.weight", offsets],
    ]);
    await writeSafetensors(path, tensors, {
      [spliceKey]: "front_of_padding",
      ss_network_module: "networks.methods.soft_tokens",
      ss_network_spec: "soft_tokens",
      ...metadata,
      ss_num_tokens: `${count}`,
      ss_embed_dim: `${width}`,
      ss_n_layers: `${layers}`,
      ss_n_t_buckets: `${buckets || bucketsWithoutTable}`,
      ss_n_banks: "1",
      ss_dual_bank: "false",
      [placementKey]: placement,
      ...(timeTable === null ? { [noTableKey]: "true" } : {}),
    });
    return [path];
  },
};

/**
 * Returns the first bank of files with two, tokens [2,layers,count,width] and a table with the columns of both. The second bank holds
 * the negatives of training; the ComfyUI node ignores it too.
 */
function positiveBank(
  path: string,
  tokens: FloatTensor,
  offsets: FloatTensor,
): { tokens: FloatTensor; offsets: FloatTensor } {
  if (tokens.shape.length !== 4) return { tokens, offsets };
  const [banks = 0, layers = 0, count = 0, width = 0] = tokens.shape;
  const [buckets = 0, columns = 0] = offsets.shape;
  const kept = layers * width;
  if (banks === 0 || columns !== banks * kept) {
    throw new InputError(
      `${path}: t_offsets.weight ${formatShape(offsets.shape)} does not fit tokens ${formatShape(tokens.shape)}`,
    );
  }
  const table = floatTensor([buckets, kept]);
  for (let row = 0; row < buckets; row++) {
    table.data.set(offsets.data.subarray(row * columns, row * columns + kept), row * kept);
  }
  return { tokens: floatTensor([layers, count, width], tokens.data.slice(0, layers * count * width)), offsets: table };
}
