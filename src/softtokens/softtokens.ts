/** @file Soft tokens in memory: what is learned, where it goes into the text stream, and whether it fits a pipeline. */

import { InputError } from "../core/errors.js";
import { type FloatTensor, formatShape, sizeOf } from "../core/tensor.js";
import { type SoftTokenLayout, type UnetStage, unetStages } from "../pipelines/pipeline.js";

/** Where soft tokens go into the text stream. */
export const placements = ["prefix", "after-first"] as const;
export type Placement = (typeof placements)[number];

export interface SoftTokens {
  /** "prefix": in front of the text stream of each of the first `layers` blocks (SD3); "after-first": after the first text token (UNets). */
  readonly placement: Placement;
  /**
   * [layers, count, width]; UNets have one layer. The width is that of the raw text embeddings (SD3: 4096, goes through
   * the frozen context embedder) or that of the projected text stream (SD3: 1536).
   */
  readonly tokens: FloatTensor;
  /** [buckets, layers * projected width]: cut per layer and added to each of its tokens. */
  readonly timeTable: FloatTensor | null;
  /** Free strings, such as `softrepa.family`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The metadata key that names the model family the tokens were trained for. */
export const familyKey = "softrepa.family";

/** The metadata key that names the stages of a UNet that see the tokens, e.g. `down,mid`. */
export const stagesKey = "softrepa.stages";

/** The sizes of checked soft tokens. */
export interface SoftTokenDimensions {
  readonly layers: number;
  readonly count: number;
  readonly width: number;
  /** Rows of the time table; 0 without one. */
  readonly buckets: number;
  /** Width per layer of the time table; 0 without one. */
  readonly timeWidth: number;
}

/** Checks that the shapes make sense together; `origin` begins the message where they do not. */
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

/** Refuses tokens that belong to another model, with one line that says why. */
export function requireFit(tokens: SoftTokens, layout: SoftTokenLayout): SoftTokenDimensions {
  const sizes = sizesOf(tokens, "soft tokens");
  const { rawWidth, projectedWidth } = layout;
  if (tokens.placement !== layout.placement) {
    throw new InputError(
      `tokens go ${placementPhrases[tokens.placement]}, this pipeline (${layout.family}) takes them ${placementPhrases[layout.placement]}: they belong to another model`,
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
      `the tokens' time table is ${sizes.timeWidth} wide a layer, this pipeline's text stream is ${projectedWidth}: they belong to another model`,
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

/** The stages of a UNet that see the tokens: what they say themselves, else the family's; null where there is no UNet. */
export function stagesOf({ metadata }: SoftTokens, layout: SoftTokenLayout): readonly UnetStage[] | null {
  const said = metadata[stagesKey];
  if (layout.stages === null || said === undefined) return layout.stages;
  const stages = parseStages(said);
  if (stages !== null) return stages;
  throw new InputError(`${stagesKey} is ${JSON.stringify(said)}, not one or more of ${unetStages.join(", ")}`);
}

/** `down,mid` as stages in their order; null where it is something else. */
export function parseStages(text: string): readonly UnetStage[] | null {
  const names = text.split(",").map((stage) => stage.trim());
  const stages = unetStages.filter((stage) => names.includes(stage));
  return stages.length === names.length ? stages : null;
}

/** How a placement reads in a sentence. */
export const placementPhrases: Readonly<Record<Placement, string>> = {
  prefix: "in front of the text",
  "after-first": "after the first text token",
};
