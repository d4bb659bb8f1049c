/** @file Initialises soft tokens. */

import { InputError, UsageError } from "../core/errors.js";
import type { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor, type Shape } from "../core/tensor.js";
import type { DiffusionPipeline, SoftTokenLayout, UnetStage } from "../pipelines/pipeline.js";
import { familyKey, type SoftTokens, stagesKey } from "./softtokens.js";

export interface InitialTokenOptions {
  /** At most those of the layout; UNets have one. */
  readonly layers: number;
  /** Tokens per layer. */
  readonly count: number;
  /** Rows of the time table; 0 for none. */
  readonly buckets: number;
  /** Whether tokens have the width before ("raw") or after ("projected") the model's text projection. */
  readonly width: "raw" | "projected";
  /** The stages of a UNet that receive the tokens; the family's by default. */
  readonly stages?: readonly UnetStage[] | undefined;
}

/** Standard deviation of the initial values, as in the authors' code. */
const standardDeviation = 0.02;

/**
 * Tokens as the pipeline's family initialises them: normal noise, or copies of the first embedding of the empty prompt.
 *
 * @throws UsageError if the sizes do not fit the pipeline
 */
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

/**
 * Tokens with standard deviation 0.02, or copies of `embedding` [raw width], and a time table with standard deviation 0.02.
 *
 * @throws UsageError if the sizes do not fit the layout
 */
export function initialSoftTokens(
  layout: SoftTokenLayout,
  sizes: InitialTokenOptions,
  random: Generator,
  embedding?: Float32Array,
): SoftTokens {
  const { layers, count, buckets } = sizes;
  if (layers > layout.layers) {
    const limit = layout.stages === null ? `the model's ${layout.layers} blocks` : "the one that a UNet has";
    throw new UsageError(`\`layers\` ${layers} is more than ${limit}`);
  }
  const stages = layout.stages && (sizes.stages ?? layout.stages);
  if (stages === null && sizes.stages !== undefined) {
    throw new UsageError("`stages` is for models with a UNet; this model has none");
  }
  const width = embedding || sizes.width === "raw" ? layout.rawWidth : layout.projectedWidth;
  const shape = [layers, count, width];
  return {
    placement: layout.placement,
    tokens: embedding ? repeated(shape, embedding) : scaledNormal(shape, random),
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

/** A tensor with copies of `row` along the last axis. */
function repeated(shape: Shape, row: Float32Array): FloatTensor {
  const tensor = floatTensor(shape);
  for (let start = 0; start < tensor.data.length; start += row.length) tensor.data.set(row, start);
  return tensor;
}
