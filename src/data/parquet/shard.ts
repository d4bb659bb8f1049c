/** @file Reads the images and captions of a Parquet shard. */

import { InputError } from "../../core/errors.js";
import { type ByteSource, withByteSource } from "../byte-source.js";
import { captionOf } from "../caption.js";
import { type CaptionedImage, maxImageBytes } from "../captioned-image.js";
import { attempt, type ReportFault } from "../finding.js";
import { decodeText } from "../text-file.js";
import { CellReader, readRows } from "./cells.js";
import { chunkOf, type LeafColumn, type ParquetTable, type RowGroup, readFooter } from "./footer.js";
import { findPages } from "./pages.js";

/** Column names in order of preference, in any case. The only column of images is used whatever its name; texts may be addresses. */
const imageNames = ["image", "img", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes"];
const captionNames = ["text", "caption", "captions", "prompt", "sentence", "sentences", "description"];

/** Reads shards one after another. */
export class ShardReader {
  private readonly cells = new CellReader();

  /** Appends the images of a shard to `items`. */
  read(file: string, items: CaptionedImage[], report: ReportFault, note: (text: string) => void): Promise<void> {
    return withByteSource(file, async (source) => {
      const table = await readFooter(source);
      const image = imageColumn(table, file);
      const caption = captionColumn(table, image, file);
      note(`images from column ${quoted(image)}, captions from column ${quoted(caption)}`);
      let firstRow = 0;
      for (const group of table.rowGroups) {
        const first = firstRow;
        firstRow += group.rows;
        await attempt(report, "damaged-file", file, () =>
          readRowGroup({ source, cells: this.cells, image, caption, group, first }, items, report),
        );
      }
      if (firstRow === 0) throw new InputError(`${file} has no rows`);
    });
  }
}

interface Part {
  readonly source: ByteSource;
  readonly cells: CellReader;
  readonly image: LeafColumn;
  readonly caption: LeafColumn;
  readonly group: RowGroup;
  /** Number of the group's first row in the file. */
  readonly first: number;
}

async function readRowGroup(part: Part, items: CaptionedImage[], report: ReportFault): Promise<void> {
  const { source, cells, image, caption, group, first } = part;
  const { file } = source;
  const pages = await findPages(source, chunkOf(group, image));
  if (pages.firstValues.at(-1) !== group.rows) {
    throw new InputError(`${file} is damaged: a group of ${group.rows} rows has ${pages.firstValues.at(-1)} images`);
  }
  const absent = await rowsWithoutImage(source, image, group);
  let row = 0;
  for await (const texts of readRows(source, caption, group)) {
    const inGroup = row++;
    const id = `${file}#${first + inGroup}`;
    if (absent.has(inGroup)) {
      const message = `image ${id} has no bytes in its row (column ${image.path.join(".")} is null)`;
      report({ kind: "missing-image", where: id, message });
      continue;
    }
    if (texts.length === 0) {
      report({ kind: "missing-caption", where: id, message: `image ${id} has no caption (column ${caption.path[0]})` });
      continue;
    }
    const captions = new Set<string>();
    for (const text of texts) {
      const usable = await attempt(report, "bad-caption", id, () => captionOf(decodeText(text, id), id));
      if (usable !== undefined) captions.add(usable);
    }
    if (captions.size === 0) continue;
    const read = async (): Promise<Uint8Array> => {
      const bytes = await cells.read(file, image, group, pages, inGroup);
      if (bytes === undefined) throw new InputError(`image ${id} has no bytes in its row`);
      if (bytes.length <= maxImageBytes) return bytes;
      throw new InputError(`image ${id} has ${bytes.length} bytes, the limit is ${maxImageBytes}`);
    };
    items.push({ id, captions: [...captions], read });
  }
}

/** Rows whose image is null. Reads the column only if its statistics do not exclude nulls. */
async function rowsWithoutImage(source: ByteSource, image: LeafColumn, group: RowGroup): Promise<Set<number>> {
  const absent = new Set<number>();
  if (image.maxDefinition === 0 || chunkOf(group, image).nulls === 0) return absent;
  let row = 0;
  for await (const values of readRows(source, image, group)) {
    if (values.length === 0) absent.add(row);
    row++;
  }
  return absent;
}

function imageColumn({ columns }: ParquetTable, file: string): LeafColumn {
  const structs = columns.filter(
    ({ path, isBytes, maxRepetition }) => path.length === 2 && path[1] === "bytes" && isBytes && maxRepetition === 0,
  );
  const plain = columns.filter(
    ({ path, isBytes, isText, maxRepetition }) => path.length === 1 && isBytes && !isText && maxRepetition === 0,
  );
  const found = named(structs, imageNames) ?? only(structs) ?? named(plain, imageNames) ?? only(plain);
  if (found !== undefined) return found;
  throw new InputError(`${file} has no column of images ({bytes, path}, or bytes named image); ${columnsOf(columns)}`);
}

function captionColumn({ columns }: ParquetTable, image: LeafColumn, file: string): LeafColumn {
  const texts = columns.filter(({ path, isText, maxRepetition }) => {
    if (!isText || path[0] === image.path[0]) return false;
    return path.length === 1 || (path.length === 3 && maxRepetition === 1);
  });
  const found = named(texts, captionNames);
  if (found !== undefined) return found;
  throw new InputError(`${file} has no caption column (${captionNames.join(", ")}); ${columnsOf(columns)}`);
}

function named(columns: readonly LeafColumn[], names: readonly string[]): LeafColumn | undefined {
  for (const name of names) {
    const found =
      columns.find(({ path }) => path[0] === name) ?? columns.find(({ path }) => path[0]?.toLowerCase() === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function only(columns: readonly LeafColumn[]): LeafColumn | undefined {
  return columns.length === 1 ? columns[0] : undefined;
}

function quoted({ path }: LeafColumn): string {
  return JSON.stringify(path[0]);
}

function columnsOf(columns: readonly LeafColumn[]): string {
  const names = [...new Set(columns.map(({ path }) => path[0]))];
  const shown = names.slice(0, 10).map((name) => JSON.stringify((name ?? "").slice(0, 40)));
  return `its columns are ${shown.join(", ")}${names.length > 10 ? ", ..." : ""}`;
}
