/** @file Which data a run was trained on, as a hash: names, captions and shares, but no pixels, which would take hours to read. */

import { createHash } from "node:crypto";
import { basename, resolve, sep } from "node:path";
import type { CaptionedImage } from "../data/captioned-image.js";

export interface FingerprintedData {
  /** Path of the data set, so that names inside it count and the place where it lies does not. */
  readonly path: string;
  readonly items: readonly CaptionedImage[];
  readonly weight: number | undefined;
}

/** SHA-256, hexadecimal. */
export function dataFingerprint(sets: readonly FingerprintedData[]): string {
  const hash = createHash("sha256");
  for (const { path, items, weight } of sets) {
    hash.update(`${JSON.stringify([weight ?? null, items.length])}\n`);
    for (const { id, captions } of items) hash.update(`${JSON.stringify([nameInside(path, id), captions])}\n`);
  }
  return hash.digest("hex");
}

/** The part of an id below the data set, with `/` on every system. */
function nameInside(path: string, id: string): string {
  const [root, full] = [resolve(path), resolve(id)];
  const inside = full.startsWith(root) ? full.slice(root.length) : basename(id);
  return inside.split(sep).join("/").replace(/^\//, "");
}
