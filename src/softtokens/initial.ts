/** @file Soft tokens before training. */

import { InputError, UsageError } from "../core/errors.js";
import type { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor, type Shape } from "../core/tensor.js";
import type { DiffusionPipeline, SoftTokenLayout, UnetStage } from "../pipelines/pipeline.js";
import { familyKey, type SoftTokens, stagesKey } from "./softtokens.js";

export interface InitialTokenOptions {
  /** At most what the layout has; UNets have one. */
  readonly layers: number;
  /** Tokens a layer. */
  readonly count: number;
  /** Rows of the time table; 0 for none. */
  readonly buckets: number;
  /** Whether tokens go through the model's own text projection. */
  readonly width: "raw" | "projected";
  /** The stages of a UNet that see the tokens; the family's by default. */
  readonly stages?: readonly UnetStage[] | undefined;
}

/** Standard deviation of the first values, as in the authors' code. */
const standardDeviation = 0.02;

/** Tokens as the pipeline's family starts them: noise, or copies of the first embedding of the empty prompt. */
export async function createSoftTokens(
  pipeline: DiffusionPipeline,
  sizes: InitialTokenOptions,
  random: Generator,
): Promise<SoftTokens> {
  const { softTokenLayout, defaults } = pipeline;
  if (defaults.initialTokens === "noise") return initialSoftTokens(softTokenLayout, sizes, random);
  const { prompt_embeds: embeds } = (await pipeline.encodePrompts([""])).conditioning;
  if (embeds === undefined) throw new InputError("this model's text encoders give no prompt embeddings to start from");
  const first = embeds.data.subarray(0, softTokenLayout.rawWidth);
  return initialSoftTokens(softTokenLayout, sizes, random, first);
}

/** N(0, 0.02) tokens, or copies of `first` [raw width], and an N(0, 0.02) time table. */
export function initialSoftTokens(
  layout: SoftTokenLayout,
  sizes: InitialTokenOptions,
  random: Generator,
  first?: Float32Array,
): SoftTokens {
  const { layers, count, buckets } = sizes;
  if (layers > layout.layers) {
    const most = layout.stages === null ? `the model's ${layout.layers} blocks` : "the one that a UNet has";
    throw new UsageError(`\`layers\` ${layers} is more than ${most}`);
  }
  const stages = layout.stages && (sizes.stages ?? layout.stages);
  if (stages === null && sizes.stages !== undefined) {
    throw new UsageError("`stages` is for models with a UNet, which this one has not");
  }
  const width = first || sizes.width === "raw" ? layout.rawWidth : layout.projectedWidth;
  const shape = [layers, count, width];
  return {
    placement: layout.placement,
    tokens: first ? repeated(shape, first) : scaledNormal(shape, random),
    timeTable: buckets === 0 ? null : scaledNormal([buckets, layers * layout.projectedWidth], random),
    metadata: { [familyKey]: layout.family, ...(stages && { [stagesKey]: stages.join(",") }) },
  };
}

function scaledNormal(shape: Shape, random: Generator): FloatTensor {
  return floatTensor(
    shape,
    random.normal(shape).data.map((x) => x * standardDeviation),
  );
}

/** `row` again and again along the last axis. */
function repeated(shape: Shape, row: Float32Array): FloatTensor {
  const tensor = floatTensor(shape);
  for (let start = 0; start < tensor.data.length; start += row.length) tensor.data.set(row, start);
  return tensor;
}
