/** @file Decodes every image of a data set once, to find those that would fail in training. */

import { throwIfAborted } from "../core/errors.js";
import type { CaptionedImage } from "./captioned-image.js";
import { attempt, type ReportFault } from "./finding.js";
import { requireDecodable } from "./load-image.js";

export interface DecodeHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  /** Called with the encoded bytes of every decodable image, in order. */
  readonly onImage?: (image: CaptionedImage, bytes: Uint8Array) => void;
}

/** One image decodes while another is read from disk. */
const concurrency = 2;

/** Returns the images that can be decoded, in order; reports the others as faults. */
export async function decodeAll(
  items: readonly CaptionedImage[],
  report: ReportFault,
  { signal, onProgress, onImage }: DecodeHooks = {},
): Promise<CaptionedImage[]> {
  const good: CaptionedImage[] = [];
  for (let start = 0; start < items.length; start += concurrency) {
    throwIfAborted(signal);
    const images = items.slice(start, start + concurrency);
    const opened = images.map(async (image) => {
      const bytes = await image.read();
      await requireDecodable(bytes, image.id);
      return bytes;
    });
    // Settle all before the first fault is thrown, so that no rejection is left unhandled.
    await Promise.allSettled(opened);
    for (const [index, image] of images.entries()) {
      const bytes = await attempt(report, "unreadable-image", image.id, () => opened[index]);
      if (bytes === undefined) continue;
      good.push(image);
      onImage?.(image, bytes);
    }
    onProgress?.(Math.min(items.length, start + concurrency), items.length);
  }
  return good;
}
