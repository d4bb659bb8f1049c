/** @file The registry of data set formats. */

import { InputError } from "../../core/errors.js";
import type { FolderFiles } from "../folder-files.js";
import { readableFormats } from "../image-format.js";
import { coco } from "./coco.js";
import type { DataFormat } from "./format.js";
import { metadataJsonl } from "./metadata-jsonl.js";
import { parquet } from "./parquet.js";
import { sidecar } from "./sidecar.js";
import { webdataset } from "./webdataset.js";

/** In the order of recognition, the most specific first. */
const formats: readonly DataFormat[] = [metadataJsonl, coco, parquet, webdataset, sidecar];

export interface Recognised {
  readonly format: DataFormat;
  /** What it was recognised by. */
  readonly because: string;
}

/** Recognises the format of a folder. Throws an InputError for a folder with two kinds of shards, which is ambiguous. */
export function recognise(files: FolderFiles): Recognised {
  const matches = formats.flatMap((format): Recognised[] => {
    const because = format.recognise(files);
    return because === undefined ? [] : [{ format, because }];
  });
  const [best, second] = matches;
  if (best === undefined) throw new InputError(`data folder ${files.folder} holds no ${readableFormats} image`);
  if (best.format === parquet && second?.format === webdataset) {
    throw new InputError(`${files.folder} holds ${best.because} and ${second.because}; name the files of one kind`);
  }
  return best;
}
