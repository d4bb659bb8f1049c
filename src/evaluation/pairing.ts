/** @file Defaults of scoring: which captions belong to which image, and which timesteps are measured. */

/**
 * The indices of each image's own captions, where there are as many captions as images: the first belongs to the first image, and
 * so on; an equal text is as good as the own one. Null otherwise.
 */
export function ownCaptions(images: number, captions: readonly string[]): number[][] | null {
  if (captions.length !== images) return null;
  return captions.map((own) => captions.flatMap((caption, index) => (caption === own ? [index] : [])));
}

/** The middles of `count` equal parts of 0..1000. */
export function evenTimesteps(count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.round(((index + 0.5) * 1000) / count));
}
