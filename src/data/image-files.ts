/** @file Captions by file name become images of a data set, once the files are seen to be images. */

import { join } from "node:path";
import { at } from "../core/lists.js";
import { type CaptionedImage, imageFile } from "./captioned-image.js";
import { attempt, type ReportFault } from "./finding.js";
import { requireImageFile } from "./image-format.js";

/** Files looked into at once: enough to keep a disk busy. */
const together = 16;

/** Images of `folder` by name, sorted; a file whose first bytes are not an image's is a fault. */
export async function captionedFiles(
  folder: string,
  captions: ReadonlyMap<string, Iterable<string>>,
  report: ReportFault,
): Promise<CaptionedImage[]> {
  const sorted = [...captions].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const items: CaptionedImage[] = [];
  for (let start = 0; start < sorted.length; start += together) {
    const opened = sorted.slice(start, start + together).map(async ([name, texts]) => {
      const image = imageFile(join(folder, name));
      await requireImageFile(image.id);
      return { ...image, captions: [...texts] };
    });
    // All settle before the first fault is told, so that none is left behind unhandled.
    await Promise.allSettled(opened);
    for (const [index, item] of opened.entries()) {
      const where = join(folder, at(sorted, start + index)[0]);
      const image = await attempt(report, "unreadable-image", where, () => item);
      if (image !== undefined) items.push(image);
    }
  }
  return items;
}
