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
    const shards = names.filter(isParquet).length;
    return shards === 0 ? undefined : `${shards} .parquet files`;
  },
  read: async ({ folder, names }, report) => {
    const shards = names.filter(isParquet);
    requireOneSplit(folder, shards);
    // Imported on demand: the reader takes as long to load as the rest of the command line.
    const { ShardReader } = await import("../parquet/shard.js");
    // One reader for all shards, so that its memory does not grow with their number.
    const reader = new ShardReader();
    const items: CaptionedImage[] = [];
    for (const name of shards) {
      const file = join(folder, name);
      await attempt(report, "damaged-file", file, () => reader.read(file, items, report));
    }
    return items;
  },
};

export function isParquet(name: string): boolean {
  return name.toLowerCase().endsWith(".parquet");
}
