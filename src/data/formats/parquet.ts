/**
 * @file Parquet shards as Hugging Face writes them: a column of images ({bytes, path}, or bytes alone) and one of captions (a
 * string, or a list of strings). Captions are read on opening, images by row on demand.
 */

import { join } from "node:path";
import type { CaptionedImage } from "../captioned-image.js";
import { attempt } from "../finding.js";
import type { DataFormat } from "./format.js";
import { requireOneSplit } from "./splits.js";

export const parquet: DataFormat = {
  title: "Parquet shards",
  recognise: ({ names }) => {
    const shards = shardsOf(names).length;
    return shards === 0 ? undefined : `${shards} .parquet files`;
  },
  read: async ({ folder, names }, report, note) => {
    const shards = shardsOf(names);
    requireOneSplit(folder, shards);
    // Imported on demand: the reader takes as long to load as the rest of the command line.
    const { ShardReader } = await import("../parquet/shard.js");
    // One reader for all shards, so that its memory does not grow with their number.
    const reader = new ShardReader();
    const items: CaptionedImage[] = [];
    for (const name of shards) {
      const file = join(folder, name);
      await attempt(report, "damaged-file", file, () => reader.read(file, items, report, note));
    }
    return items;
  },
};

/** The Parquet files, except img2dataset's lists of the images in `00000.tar` or in the folder `00000`. */
function shardsOf(names: readonly string[]): string[] {
  const parquets = names.filter(isParquet);
  if (parquets.length === 0) return [];
  const stems = new Set(names.filter((name) => !isParquet(name)).map(shardStem));
  return parquets.filter((name) => !stems.has(name.slice(0, -".parquet".length)));
}

/** `00000` for `00000.tar` and `00000/000000012.jpg`. */
function shardStem(name: string): string {
  return name.endsWith(".tar") ? name.slice(0, -".tar".length) : name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

export function isParquet(name: string): boolean {
  return name.toLowerCase().endsWith(".parquet");
}
