/** @file Turns captions by file name into captioned images, after checking that the files are images. */

import { join } from "node:path";
import { at } from "../core/lists.js";
import { type CaptionedImage, imageFile } from "./captioned-image.js";
import { attempt, type ReportFault } from "./finding.js";
import { requireImageFile } from "./image-format.js";

/** Files opened at once, enough to keep a disk busy. */
const concurrency = 16;

/** Captioned images of `folder`, sorted by name; files that are not images are faults. */
export async function captionedFiles(
  folder: string,
  captions: ReadonlyMap<string, Iterable<string>>,
  report: ReportFault,
): Promise<CaptionedImage[]> {
  const sorted = [...captions].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const items: CaptionedImage[] = [];
  for (let start = 0; start < sorted.length; start += concurrency) {
    const opened = sorted.slice(start, start + concurrency).map(async ([name, texts]) => {
      const image = imageFile(join(folder, name));
      await requireImageFile(image.id);
      return { ...image, captions: [...texts] };
    });
    // Settle all before the first fault is thrown, so that no rejection is left unhandled.
    await Promise.allSettled(opened);
    for (const [index, item] of opened.entries()) {
      const where = join(folder, at(sorted, start + index)[0]);
      const image = await attempt(report, "unreadable-image", where, () => item);
      if (image !== undefined) items.push(image);
    }
  }
  return items;
}
