/**
 * @file Parquet shards as Hugging Face writes them: a column of images ({bytes, path}, or bytes alone) and one of captions
 * (a string, or a list of them). Captions are read at once, images by row when they are wanted.
 */

import { join } from "node:path";
import type { CaptionedImage } from "../captioned-image.js";
import { attempt } from "../finding.js";
import type { DataFormat } from "./format.js";
import { refuseSplits } from "./splits.js";

export const parquet: DataFormat = {
  title: "Parquet shards",
  recognise: ({ names }) => {
    const shards = names.filter(isParquet).length;
    return shards === 0 ? undefined : `${shards} .parquet files`;
  },
  read: async ({ folder, names }, report) => {
    const shards = names.filter(isParquet);
    refuseSplits(folder, shards);
    // The reader takes as long to load as all of the command line; most data sets do without it.
    const { ShardReader } = await import("../parquet/shard.js");
    // One for all shards: what it keeps in memory does not grow with their number.
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
