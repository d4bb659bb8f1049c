/** @file A Parquet file's footer: its columns and where their chunks lie (parquet.thrift, FileMetaData). */

import { InputError } from "../../core/errors.js";
import type { ByteSource } from "../byte-source.js";
import { readThrift, type ThriftStruct } from "./thrift.js";

/** A column of plain values; of a struct or list it is one of the leaves. */
export interface LeafColumn {
  /** Position among the leaves, and so in every row group. */
  readonly index: number;
  /** Names from the top-level column down. */
  readonly path: readonly string[];
  /** Whether values are strings of bytes; only such columns are read. */
  readonly isBytes: boolean;
  /** Whether they are marked as UTF-8 text. */
  readonly isText: boolean;
  /** Definition level of a value that is there; repetition level of a value that goes on with its row. */
  readonly maxDefinition: number;
  readonly maxRepetition: number;
}

/** The values of one column in one row group. */
export interface ColumnChunk {
  readonly codec: number;
  /** Values, nulls included. */
  readonly values: number;
  /** Byte at which its pages begin. */
  readonly start: number;
  readonly nulls: number | undefined;
}

export interface RowGroup {
  readonly rows: number;
  /** By the index of the column. */
  readonly chunks: readonly ColumnChunk[];
}

export interface ParquetTable {
  readonly columns: readonly LeafColumn[];
  readonly rowGroups: readonly RowGroup[];
}

const magic = "PAR1";
const maxFooterBytes = 2 ** 28;
/** Schemas nest some levels; a damaged one could nest without end. */
const maxDepth = 32;

/** Physical type BYTE_ARRAY, converted type UTF8, and the repetitions of a schema element. */
const byteArray = 6;
const utf8 = 0;
const repetitions = { required: 0, optional: 1, repeated: 2 } as const;

export async function readFooter(source: ByteSource): Promise<ParquetTable> {
  const { file, size } = source;
  if (size < 12) throw new InputError(`${file} is no Parquet file: it has ${size} bytes`);
  const end = await source.read(size - 8, 8);
  const name = Buffer.from(end.subarray(4)).toString("latin1");
  if (name === "PARE") throw new InputError(`${file} is an encrypted Parquet file, which is not read`);
  if (name !== magic) {
    const begins = Buffer.from(await source.read(0, 4)).toString("latin1") === magic;
    throw new InputError(
      begins ? `${file} is cut short: a Parquet file ends with ${magic}` : `${file} is no Parquet file`,
    );
  }
  const length = Buffer.from(end).readUInt32LE(0);
  if (length > size - 12 || length > maxFooterBytes) {
    throw new InputError(`${file} is damaged: its footer says it has ${length} bytes, the file has ${size}`);
  }
  const { struct } = readThrift(await source.read(size - 8 - length, length), file);
  const columns = readSchema(struct.structs(2, "the schema"), file);
  const rowGroups = struct.structs(4, "the list of row groups").map((group) => readRowGroup(group, columns, source));
  const rows = rowGroups.reduce((sum, group) => sum + group.rows, 0);
  // A row with an image takes many bytes; a number beyond is damage, and would keep the loops over rows busy for ever.
  if (rows > size) throw new InputError(`${file} is damaged: ${rows} rows in ${size} bytes`);
  return { columns, rowGroups };
}

function readSchema(elements: readonly ThriftStruct[], file: string): LeafColumn[] {
  const columns: LeafColumn[] = [];
  let next = 0;
  const visit = (path: readonly string[], definition: number, repetition: number): void => {
    const element = elements[next++];
    if (element === undefined || path.length > maxDepth) throw new InputError(`${file}: the schema is damaged`);
    const own = [...path, element.text(4, "a column's name")];
    const kind = next === 1 ? repetitions.required : (element.optionalCount(3, "a column's repetition") ?? 0);
    const maxDefinition = definition + (kind === repetitions.required ? 0 : 1);
    const maxRepetition = repetition + (kind === repetitions.repeated ? 1 : 0);
    const children = element.optionalCount(5, "a column's number of children") ?? 0;
    if (children === 0) {
      const isBytes = element.optionalCount(1, "a column's type") === byteArray;
      const marked = element.optionalCount(6, "a column's converted type") === utf8;
      const isText = isBytes && (marked || (element.has(10) && element.struct(10, "a column's logical type").has(1)));
      // The root's name is no part of a path.
      columns.push({ index: columns.length, path: own.slice(1), isBytes, isText, maxDefinition, maxRepetition });
      return;
    }
    if (children > elements.length) throw new InputError(`${file}: the schema is damaged`);
    for (let child = 0; child < children; child++) visit(own, maxDefinition, maxRepetition);
  };
  visit([], 0, 0);
  return columns;
}

function readRowGroup(group: ThriftStruct, columns: readonly LeafColumn[], { file, size }: ByteSource): RowGroup {
  const chunks = group.structs(1, "a row group's columns").map((chunk): ColumnChunk => {
    if (chunk.has(1)) throw new InputError(`${file} keeps columns in other files, which are not read`);
    if (!chunk.has(3)) throw new InputError(`${file} has encrypted columns, which are not read`);
    const meta = chunk.struct(3, "a column's metadata");
    const dataStart = meta.count(9, "a column's data offset");
    const dictionaryStart = meta.optionalCount(11, "a column's dictionary offset") ?? 0;
    const start = dictionaryStart > 0 ? Math.min(dataStart, dictionaryStart) : dataStart;
    if (start >= size) throw new InputError(`${file} is damaged: a column begins at byte ${start} of ${size}`);
    const statistics = meta.has(12) ? meta.struct(12, "a column's statistics") : undefined;
    return {
      codec: meta.count(4, "a column's codec"),
      values: meta.count(5, "a column's number of values"),
      start,
      nulls: statistics?.optionalCount(3, "a column's number of nulls"),
    };
  });
  if (chunks.length !== columns.length) {
    throw new InputError(`${file} is damaged: a row group has ${chunks.length} of ${columns.length} columns`);
  }
  return { rows: group.count(3, "a row group's number of rows"), chunks };
}
