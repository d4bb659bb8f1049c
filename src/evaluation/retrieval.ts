/** @file What denoising errors say of a data set: which caption belongs to which image, both ways, and where they hardly belong together. */

import type { Scores } from "./score.js";

/** How often the own one came first, of how many. */
export interface RankShare {
  readonly right: number;
  readonly of: number;
}

export interface Retrieval {
  /** The caption with the smallest error is one of the image's own. */
  readonly captionOfImage: RankShare;
  /**
   * The image whose error the caption lowers most is one of its own. Some images are harder to denoise than others under any caption, so what
   * counts is the error less the one without caption: up to a factor the pointwise mutual information. Null where that was not measured.
   */
  readonly imageOfCaption: RankShare | null;
}

/** `own` has the captions of each image; images and captions without any are left out. */
export function retrieval({ errors, withoutCaption }: Scores, own: readonly (readonly number[])[]): Retrieval {
  const images = [...own.keys()].filter((image) => own[image].length > 0);
  const captionOfImage = {
    right: images.filter((image) => own[image].includes(smallest(errors[image]))).length,
    of: images.length,
  };
  if (withoutCaption === null) return { captionOfImage, imageOfCaption: null };
  const captions = [...new Set(own.flat())];
  const right = captions.filter((caption) => {
    const lowered = errors.map((row, image) => row[caption] - withoutCaption[image]);
    return own[smallest(lowered)].includes(caption);
  });
  return { captionOfImage, imageOfCaption: { right: right.length, of: captions.length } };
}

function smallest(values: readonly number[]): number {
  return values.indexOf(values.reduce((a, b) => Math.min(a, b)));
}

/** An image and its best own caption, and the caption of another that does best. */
export interface MatchedPair {
  readonly image: number;
  readonly caption: number;
  /** Null where all captions are its own. */
  readonly rival: number | null;
  /** Error under the own caption less that under the rival: above 0 the rival explains the image better. */
  readonly margin: number;
}

/** Every image with captions of its own, the least matched first: the captions to look at when some are wrong. */
export function leastMatched({ errors }: Pick<Scores, "errors">, own: readonly (readonly number[])[]): MatchedPair[] {
  const pairs = own.flatMap((captions, image): MatchedPair[] => {
    if (captions.length === 0) return [];
    const row = errors[image];
    const best = (candidates: readonly number[]) => candidates.reduce((a, b) => (row[b] < row[a] ? b : a));
    const caption = best(captions);
    const others = [...row.keys()].filter((index) => !captions.includes(index));
    if (others.length === 0) return [{ image, caption, rival: null, margin: Number.NEGATIVE_INFINITY }];
    const rival = best(others);
    return [{ image, caption, rival, margin: row[caption] - row[rival] }];
  });
  return pairs.sort((a, b) => b.margin - a.margin);
}
