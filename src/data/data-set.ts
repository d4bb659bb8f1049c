/** @file Opens a data set of any format: a folder, a shard, or a captions file of COCO. */

import { stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { InputError, messageOf } from "../core/errors.js";
import type { CaptionedImage } from "./captioned-image.js";
import { Faults, type ReportFault } from "./finding.js";
import { type FolderFiles, listFiles } from "./folder-files.js";
import { cocoFrom } from "./formats/coco.js";
import { type Recognised, recognise } from "./formats/index.js";
import { metadataJsonl, metadataName } from "./formats/metadata-jsonl.js";
import { isParquet, parquet } from "./formats/parquet.js";
import { isCompressedShard, isShard, webdataset } from "./formats/webdataset.js";

/** Captioned images, in the same order on every machine. */
export interface DataSet {
  /** The path that the user gave. */
  readonly path: string;
  /** Title of its format, and what it was recognised by; also the columns that were chosen, and members that were skipped. */
  readonly format: string;
  readonly because: string;
  /** At least one image; ids are unique. */
  readonly items: readonly CaptionedImage[];
}

/**
 * Opens a data set and checks everything except decoding: structure, names, links, captions, and the first bytes of images in
 * files and tar shards. Nothing is unpacked or written; shards stay on disk.
 *
 * Parts that cannot be used are passed to `onFault` and skipped; without it, the first one is thrown.
 *
 * @throws InputError if the data set as a whole cannot be used
 */
export async function openDataSet(path: string, onFault?: ReportFault): Promise<DataSet> {
  const faults = new Faults();
  const report: ReportFault = (fault) => {
    faults.add(fault);
    onFault?.(fault);
  };
  const { files, format, because } = await locate(path, report);
  const notes = new Set<string>();
  const items = await format.read(files, report, (note) => notes.add(note));
  const [first] = faults.kept;
  if (first !== undefined && (onFault === undefined || items.length === 0)) {
    const more = faults.total - 1;
    const rest = more === 0 ? "" : `; ${more} more ${more === 1 ? "fault" : "faults"} (softrepa data check lists them)`;
    throw new InputError(`${first.message}${rest}`);
  }
  if (items.length === 0) throw new InputError(`data set ${path} holds no captioned image`);
  return { path, format: format.title, because: [because, ...notes].join("; "), items };
}

async function locate(path: string, report: ReportFault): Promise<Recognised & { readonly files: FolderFiles }> {
  const found = await stat(path).catch((error: unknown) => {
    throw new InputError(`cannot open data set ${path}: ${messageOf(error)}`, { cause: error });
  });
  if (found.isDirectory()) {
    const files = await listFiles(path, report);
    return { files, ...recognise(files) };
  }
  const name = basename(path);
  const alone = { folder: dirname(path), names: [name] };
  if (found.isFile()) {
    if (isParquet(name)) return { files: alone, format: parquet, because: "its name" };
    if (isShard(name) || isCompressedShard(name)) return { files: alone, format: webdataset, because: "its name" };
    if (name === metadataName) {
      return { files: await listFiles(dirname(path), report), format: metadataJsonl, because: "its name" };
    }
    if (extname(name) === ".json") {
      const inner = basename(dirname(path)) === "annotations";
      const files = await listFiles(inner ? dirname(dirname(path)) : dirname(path), report);
      return { files, format: cocoFrom(inner ? `annotations/${name}` : name), because: "its name" };
    }
  }
  const readable = `a folder, a .parquet or .tar file, ${metadataName}, or COCO's ${join("annotations", "captions_*.json")}`;
  throw new InputError(`${path} is not a data set; name ${readable}`);
}
