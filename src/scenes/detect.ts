/** @file The objects of an image: what they are, what colour, how large and where. */

import { at } from "../core/lists.js";
import type { FloatTensor } from "../core/tensor.js";
import { nearestColour } from "./colour-space.js";
import { type Match, recogniseShape } from "./recognise.js";
import { type Colour, colours, imageSize, type ObjectShape, type Rgb, type Size } from "./scene.js";
import { connected, type Patch, type Segmentation, segment, speckPixels } from "./segment.js";

export interface DetectedObject {
  /** Null where no shape of the world fits. */
  readonly shape: ObjectShape | null;
  readonly colour: Colour;
  readonly size: Size;
  /** Centre of its box in pixels, as scenes give it. */
  readonly x: number;
  readonly y: number;
  /** Number of pixels that are at least half object. */
  readonly area: number;
  /** Correlation of the patch with the best shape, at most 1; below `leastFit` the shape is null. */
  readonly fit: number;
}

/** Patches that correlate less with every shape have none: badly disturbed shapes keep 0.94, random blobs have 0.8. */
export const leastFit = 0.9;
/** Nor have patches whose box is far from any size of the world, in pixels. */
const leastRadius = 5.5;
const mostRadius = 15.5;
/** Where two objects melt into one patch, the bridge is less object than they are. */
const bridgeCover = 0.85;

/** Everything in an image [3,64,64] in [-1,1] that is not ground, the clearest first. */
export function detect(image: FloatTensor): DetectedObject[] {
  const segmentation = segment(image);
  const objects = segmentation.patches.flatMap((patch) =>
    parts(patch, segmentation).map((part) => objectOf(part, segmentation)),
  );
  return objects.sort((a, b) => b.fit - a.fit);
}

interface Part {
  readonly patch: Patch;
  readonly match: Match;
}

/** A patch without a shape may be two objects that touch: it is cut by colour, or at its thin places, if each part then has one. */
function parts(patch: Patch, { cover, label }: Segmentation): readonly Part[] {
  const recognised = (part: Patch): Part => ({ patch: part, match: recogniseShape(part, cover) });
  const whole = recognised(patch);
  if (isNamed(whole.match)) return [whole];
  const cuts = [
    () => colours.flatMap((_, index) => connected((pixel) => label[pixel] === index, patch)),
    () => connected((pixel) => at(cover, pixel) >= bridgeCover, patch),
  ];
  for (const cut of cuts) {
    const large = cut()
      .filter(({ length }) => length >= speckPixels)
      .map(recognised);
    if (large.length > 1 && large.every(({ match }) => isNamed(match))) return large;
  }
  return [whole];
}

function objectOf({ patch, match }: Part, segmentation: Segmentation): DetectedObject {
  return {
    shape: isNamed(match) ? match.shape : null,
    colour: nearestColour(coreColour(patch, segmentation)).colour,
    size: sizeOf(match),
    x: match.x,
    y: match.y,
    area: patch.length,
    fit: match.score,
  };
}

function isNamed({ score, radius }: Match): boolean {
  return score >= leastFit && radius >= leastRadius && radius <= mostRadius;
}

/** The mean of the pixels that are object through and through; of thin shapes, of those that are most. */
function coreColour(patch: Patch, { cover, smooth }: Segmentation): Rgb {
  const area = imageSize * imageSize;
  const inmost = [...patch].sort((a, b) => at(cover, b) - at(cover, a)).slice(0, Math.max(8, patch.length >> 1));
  const mean = (channel: number): number =>
    inmost.reduce((sum, pixel) => sum + at(smooth, channel * area + pixel), 0) / inmost.length;
  return [mean(0), mean(1), mean(2)];
}

/** Between the sizes' radii, halfway. */
function sizeOf({ radius }: Match): Size {
  return radius < 9 ? "small" : radius < 11 ? "medium" : "large";
}
