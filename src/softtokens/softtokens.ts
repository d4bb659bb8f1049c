/** @file Soft tokens in memory, and the checks that they fit a pipeline. */

import { InputError } from "../core/errors.js";
import { type FloatTensor, formatShape, sizeOf } from "../core/tensor.js";
import { type SoftTokenLayout, type UnetStage, unetStages } from "../pipelines/pipeline.js";

/** Where soft tokens are inserted into the text stream. */
export const placements = ["prefix", "after-first"] as const;
export type Placement = (typeof placements)[number];

export interface SoftTokens {
  /** "prefix": before the text tokens in each of the first `layers` blocks (SD3); "after-first": after the first text token (UNets). */
  readonly placement: Placement;
  /**
   * [layers, count, width]; UNets have one layer. Width is that of raw text embeddings, which the frozen context embedder projects
   * (SD3: 4096), or that of the projected text stream (SD3: 1536).
   */
  readonly tokens: FloatTensor;
  /** [buckets, layers * projected width]: the row of a timestep, split by layer, is added to each token of the layer. */
  readonly timeTable: FloatTensor | null;
  /** Arbitrary strings, e.g. `softrepa.family`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The metadata key with the model family. */
export const familyKey = "softrepa.family";

/** The metadata key with the UNet stages that receive the tokens, e.g. `down,mid`. */
export const stagesKey = "softrepa.stages";

/** The sizes of valid soft tokens. */
export interface SoftTokenDimensions {
  readonly layers: number;
  readonly count: number;
  readonly width: number;
  /** Rows of the time table; 0 without one. */
  readonly buckets: number;
  /** Width per layer of the time table; 0 without one. */
  readonly timeWidth: number;
}

/**
 * Checks that the shapes are consistent.
 *
 * @throws InputError that begins with `origin` if they are not
 */
export function sizesOf({ placement, tokens, timeTable }: SoftTokens, origin: string): SoftTokenDimensions {
  const [layers = 0, count = 0, width = 0] = tokens.shape;
  if (tokens.shape.length !== 3 || sizeOf(tokens.shape) === 0) {
    throw new InputError(
      `${origin}: soft tokens have the shape [layers,count,width], not ${formatShape(tokens.shape)}`,
    );
  }
  if (placement === "after-first" && layers !== 1) {
    throw new InputError(`${origin}: tokens after the first text token have one layer, not ${layers}`);
  }
  if (timeTable === null) return { layers, count, width, buckets: 0, timeWidth: 0 };
  const [buckets = 0, columns = 0] = timeTable.shape;
  if (timeTable.shape.length !== 2 || sizeOf(timeTable.shape) === 0 || columns % layers !== 0) {
    throw new InputError(
      `${origin}: the time table of ${layers}-layer tokens has the shape [buckets,${layers}*width], not ${formatShape(timeTable.shape)}`,
    );
  }
  const timeWidth = columns / layers;
  if (placement === "after-first" && timeWidth !== width) {
    throw new InputError(`${origin}: the time table is ${timeWidth} wide, the tokens are ${width}`);
  }
  return { layers, count, width, buckets, timeWidth };
}

/**
 * Checks that soft tokens fit a pipeline; returns their sizes.
 *
 * @throws InputError if they belong to another model
 */
export function requireFit(tokens: SoftTokens, layout: SoftTokenLayout): SoftTokenDimensions {
  const sizes = sizesOf(tokens, "soft tokens");
  const { rawWidth, projectedWidth } = layout;
  if (tokens.placement !== layout.placement) {
    throw new InputError(
      `tokens go ${placementPhrases[tokens.placement]}, this pipeline (${layout.family}) takes tokens ${placementPhrases[layout.placement]}: they belong to another model`,
    );
  }
  if (sizes.width !== projectedWidth && sizes.width !== rawWidth) {
    const stream = rawWidth === projectedWidth ? `${rawWidth}` : `${projectedWidth} (projected) or ${rawWidth} (raw)`;
    throw new InputError(
      `tokens are ${sizes.width} wide, this pipeline's text stream is ${stream}: they belong to another model`,
    );
  }
  if (sizes.buckets > 0 && sizes.timeWidth !== projectedWidth) {
    throw new InputError(
      `the tokens' time table is ${sizes.timeWidth} wide per layer, this pipeline's text stream is ${projectedWidth}: they belong to another model`,
    );
  }
  if (sizes.layers > layout.layers) {
    throw new InputError(
      `tokens are for ${sizes.layers} layers, this pipeline has ${layout.layers}: they belong to another model`,
    );
  }
  const family = tokens.metadata[familyKey];
  if (family !== undefined && family !== layout.family) {
    throw new InputError(
      `tokens were trained for ${family}, this pipeline is ${layout.family}: they belong to another model`,
    );
  }
  stagesOf(tokens, layout);
  return sizes;
}

/** The UNet stages that receive the tokens: those in their metadata, otherwise the family's; null without a UNet. */
export function stagesOf({ metadata }: SoftTokens, layout: SoftTokenLayout): readonly UnetStage[] | null {
  const value = metadata[stagesKey];
  if (layout.stages === null || value === undefined) return layout.stages;
  const stages = parseStages(value);
  if (stages !== null) return stages;
  throw new InputError(`${stagesKey} is ${JSON.stringify(value)}, not one or more of ${unetStages.join(", ")}`);
}

/** Parses `down,mid`; null if a name is unknown or repeated. */
export function parseStages(text: string): readonly UnetStage[] | null {
  const names = text.split(",").map((stage) => stage.trim());
  const stages = unetStages.filter((stage) => names.includes(stage));
  return stages.length === names.length ? stages : null;
}

/** Placements as phrases for messages. */
export const placementPhrases: Readonly<Record<Placement, string>> = {
  prefix: "before the text",
  "after-first": "after the first text token",
};
