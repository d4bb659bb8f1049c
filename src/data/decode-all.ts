/** @file Decoding every image of a data set once, to find those that training would stop at. */

import { throwIfAborted } from "../core/errors.js";
import type { CaptionedImage } from "./captioned-image.js";
import { attempt, type ReportFault } from "./finding.js";
import { requireDecodable } from "./load-image.js";

export interface DecodeHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  /** Gets the encoded bytes of every image that can be decoded, in order. */
  readonly onImage?: (image: CaptionedImage, bytes: Uint8Array) => void;
}

/** Images at once: one decoding, one on its way from the disk. */
const together = 2;

/** The images that can be decoded, in their order; the others are faults. */
export async function decodeAll(
  items: readonly CaptionedImage[],
  report: ReportFault,
  { signal, onProgress, onImage }: DecodeHooks = {},
): Promise<CaptionedImage[]> {
  const good: CaptionedImage[] = [];
  for (let start = 0; start < items.length; start += together) {
    throwIfAborted(signal);
    const images = items.slice(start, start + together);
    const opened = images.map(async (image) => {
      const bytes = await image.read();
      await requireDecodable(bytes, image.id);
      return bytes;
    });
    // All settle before the first fault is told, so that none is left behind unhandled.
    await Promise.allSettled(opened);
    for (const [index, image] of images.entries()) {
      const bytes = await attempt(report, "unreadable-image", image.id, () => opened[index]);
      if (bytes === undefined) continue;
      good.push(image);
      onImage?.(image, bytes);
    }
    onProgress?.(Math.min(items.length, start + together), items.length);
  }
  return good;
}
