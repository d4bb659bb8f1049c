/** @file A hash of the training data: names, captions and weights, but not pixels, which would take hours to read. */

import { createHash } from "node:crypto";
import { basename, resolve, sep } from "node:path";
import type { CaptionedImage } from "../data/captioned-image.js";

export interface FingerprintedData {
  /** Path of the data set; only names relative to it count. */
  readonly path: string;
  readonly items: readonly CaptionedImage[];
  readonly weight: number | undefined;
}

/** SHA-256 in hexadecimal. */
export function dataFingerprint(sets: readonly FingerprintedData[]): string {
  const hash = createHash("sha256");
  for (const { path, items, weight } of sets) {
    hash.update(`${JSON.stringify([weight ?? null, items.length])}\n`);
    for (const { id, captions } of items) hash.update(`${JSON.stringify([nameInside(path, id), captions])}\n`);
  }
  return hash.digest("hex");
}

/** An id relative to the data set, with `/` on every platform. */
function nameInside(path: string, id: string): string {
  const [root, full] = [resolve(path), resolve(id)];
  const inside = full.startsWith(root) ? full.slice(root.length) : basename(id);
  return inside.split(sep).join("/").replace(/^\//, "");
}
