/**
 * @file Reads a Parquet file's footer: its columns and the locations of their chunks. hyparquet parses it; this file validates
 * it.
 */

import { type CompressionCodec, type FileMetaData, parquetMetadata, parquetSchema, type SchemaTree } from "hyparquet";
import { InputError } from "../../core/errors.js";
import type { ByteSource } from "../byte-source.js";
import { parsing } from "./parsing.js";

type RowGroupMetadata = FileMetaData["row_groups"][number];

/** A leaf column: plain values, or one leaf of a struct or list. */
export interface LeafColumn {
  /** Position among the leaves, and so in every row group. */
  readonly index: number;
  /** Names from the top-level column down. */
  readonly path: readonly string[];
  /** Whether values are byte arrays; other columns are not read. */
  readonly isBytes: boolean;
  /** Whether they are marked as UTF-8 text. */
  readonly isText: boolean;
  /** Definition level of a value that is not null; repetition level of a value that continues its row. */
  readonly maxDefinition: number;
  readonly maxRepetition: number;
}

/** The values of one column in one row group. */
export interface ColumnChunk {
  readonly codec: CompressionCodec;
  /** Number of values, including nulls. */
  readonly values: number;
  /** Byte offset of its first page. */
  readonly start: number;
  readonly nulls: number | undefined;
}

export interface RowGroup {
  readonly rows: number;
  /** Chunks by column index. */
  readonly chunks: readonly ColumnChunk[];
}

/** The chunk of `column`; readFooter() checks that every group has one for each column. */
export function chunkOf(group: RowGroup, column: LeafColumn): ColumnChunk {
  const chunk = group.chunks[column.index];
  if (chunk === undefined) throw new RangeError(`no column ${column.index}`);
  return chunk;
}

export interface ParquetTable {
  readonly columns: readonly LeafColumn[];
  readonly rowGroups: readonly RowGroup[];
}

const magic = "PAR1";
const maxFooterBytes = 2 ** 26;

export async function readFooter(source: ByteSource): Promise<ParquetTable> {
  const { file, size } = source;
  const length = await footerLength(source);
  const bytes = await source.read(size - 8 - length, length + 8);
  return parsing(file, () => {
    const metadata = parquetMetadata(bytes, { geoparquet: false });
    const columns = leavesOf([parquetSchema(metadata)]).map(leafColumn);
    const rowGroups = metadata.row_groups.map((group) => readRowGroup(group, columns, source));
    const rows = rowGroups.reduce((sum, group) => sum + group.rows, 0);
    // A row with an image takes many bytes, so more rows than bytes are damage, which would make the loops over rows endless.
    if (rows > size) throw new InputError(`${file} is damaged: ${rows} rows in ${size} bytes`);
    return { columns, rowGroups };
  });
}

async function footerLength({ file, size, read }: ByteSource): Promise<number> {
  if (size < 12) throw new InputError(`${file} is not a Parquet file: it has ${size} bytes`);
  const end = Buffer.from(await read(size - 8, 8));
  const name = end.toString("latin1", 4);
  if (name === "PARE") throw new InputError(`${file} is an encrypted Parquet file, which is not read`);
  if (name !== magic) {
    const begins = Buffer.from(await read(0, 4)).toString("latin1") === magic;
    throw new InputError(
      begins ? `${file} is cut short: a Parquet file ends with ${magic}` : `${file} is not a Parquet file`,
    );
  }
  const length = end.readUInt32LE(0);
  if (length > size - 12 || length > maxFooterBytes) {
    throw new InputError(`${file} is damaged: its footer says it has ${length} bytes, the file has ${size}`);
  }
  return length;
}

/** Paths from the root to each leaf below the last node of `path`. */
function leavesOf(path: readonly SchemaTree[]): (readonly SchemaTree[])[] {
  const children = path.at(-1)?.children ?? [];
  return children.length === 0 ? [path] : children.flatMap((child) => leavesOf([...path, child]));
}

function leafColumn(schemaPath: readonly SchemaTree[], index: number): LeafColumn {
  const levels = schemaPath.slice(1).map(({ element }) => element.repetition_type);
  const element = schemaPath.at(-1)?.element;
  const isBytes = element?.type === "BYTE_ARRAY";
  return {
    index,
    path: schemaPath.at(-1)?.path ?? [],
    isBytes,
    isText: isBytes && (element.converted_type === "UTF8" || element.logical_type?.type === "STRING"),
    maxDefinition: levels.filter((kind) => kind !== "REQUIRED").length,
    maxRepetition: levels.filter((kind) => kind === "REPEATED").length,
  };
}

function readRowGroup(group: RowGroupMetadata, columns: readonly LeafColumn[], { file, size }: ByteSource): RowGroup {
  if (group.columns.length !== columns.length) {
    throw new InputError(`${file} is damaged: a row group has ${group.columns.length} of ${columns.length} columns`);
  }
  const chunks = group.columns.map(({ file_path, meta_data: meta }): ColumnChunk => {
    if (file_path !== undefined) throw new InputError(`${file} keeps columns in other files, which are not read`);
    if (meta === undefined) throw new InputError(`${file} has encrypted columns, which are not read`);
    const dataStart = count(meta.data_page_offset);
    const dictionaryStart = count(meta.dictionary_page_offset ?? 0n);
    const start = dictionaryStart > 0 ? Math.min(dataStart, dictionaryStart) : dataStart;
    if (start >= size) throw new InputError(`${file} is damaged: a column begins at byte ${start} of ${size}`);
    const nulls = meta.statistics?.null_count;
    return {
      codec: meta.codec,
      values: count(meta.num_values),
      start,
      nulls: nulls === undefined ? undefined : count(nulls),
    };
  });
  return { rows: count(group.num_rows), chunks };
}

function count(value: bigint): number {
  if (typeof value === "bigint" && value >= 0n && value <= Number.MAX_SAFE_INTEGER) return Number(value);
  throw new TypeError(`${value} is not a count`);
}
