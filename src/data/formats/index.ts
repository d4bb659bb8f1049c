/** @file The registry of data formats: a data set is recognised by its shape. */

import { InputError } from "../../core/errors.js";
import type { FolderFiles } from "../folder-files.js";
import { readableFormats } from "../image-format.js";
import { coco } from "./coco.js";
import type { DataFormat } from "./format.js";
import { metadataJsonl } from "./metadata-jsonl.js";
import { parquet } from "./parquet.js";
import { sidecar } from "./sidecar.js";
import { webdataset } from "./webdataset.js";

/** In the order in which they are asked: what says most about itself first, loose images last. */
const formats: readonly DataFormat[] = [metadataJsonl, coco, parquet, webdataset, sidecar];

export interface Recognised {
  readonly format: DataFormat;
  /** By what. */
  readonly because: string;
}

/** The format of a folder. Two kinds of shards side by side are refused, since either may be meant. */
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
