/** @file The pages of a column chunk: where they are, and the strings of bytes in one of them (Parquet, data pages V1 and V2). */

import { InputError } from "../../core/errors.js";
import type { ByteSource } from "../byte-source.js";
import { decompress, requireCodec } from "./compression.js";
import type { ColumnChunk, LeafColumn } from "./footer.js";
import { bitsFor, readHybrid } from "./levels.js";
import { readThrift, type ThriftStruct, ThriftTooShort } from "./thrift.js";

/** Where pages lie in the file; typed arrays, since there may be as many pages as images. */
export interface PageTable {
  readonly dictionary: number | undefined;
  /** Byte at which each page of values begins. */
  readonly offsets: Float64Array;
  /** Position of its first value in the chunk; one more entry holds the number of all values. */
  readonly firstValues: Float64Array;
}

/** Decoded values of a page; without levels every value is there and begins a row. */
export interface PageValues {
  readonly repetition: Uint32Array | undefined;
  readonly definition: Uint32Array | undefined;
  /** Values that are not null, as views into the page. */
  readonly bytes: readonly Uint8Array[];
}

/** PageType of parquet.thrift; index pages (1) are passed over. */
const pageTypes = { data: 0, dictionary: 2, dataV2: 3 } as const;

/** Encoding of parquet.thrift. */
const encodings = { plain: 0, plainDictionary: 2, rle: 3, rleDictionary: 8 } as const;
const otherEncodings: Readonly<Record<number, string>> = {
  4: "BIT_PACKED",
  5: "DELTA_BINARY_PACKED",
  6: "DELTA_LENGTH_BYTE_ARRAY",
  7: "DELTA_BYTE_ARRAY",
  9: "BYTE_STREAM_SPLIT",
};

/** Bytes and values of the largest page that is decoded. */
const maxPageBytes = 2 ** 29;
const maxPageValues = 2 ** 22;
/** Page headers are small, but may hold statistics. */
const headerBytes = 2 ** 9;
const maxHeaderBytes = 2 ** 22;

interface PageHeader {
  readonly type: number;
  /** Byte behind the header, and of the end of the page. */
  readonly start: number;
  readonly end: number;
  readonly uncompressed: number;
  /** Nulls included. */
  readonly values: number;
  readonly encoding: number;
  readonly details: ThriftStruct | undefined;
}

/** Goes through the headers of a chunk's pages, without reading the pages. */
export async function findPages(source: ByteSource, chunk: ColumnChunk): Promise<PageTable> {
  requireCodec(chunk.codec, source.file);
  const offsets: number[] = [];
  const firstValues: number[] = [];
  let dictionary: number | undefined;
  let seen = 0;
  for (let offset = chunk.start; seen < chunk.values; ) {
    const header = await readHeader(source, offset);
    if (header.type === pageTypes.dictionary) dictionary ??= offset;
    else if (header.type === pageTypes.data || header.type === pageTypes.dataV2) {
      offsets.push(offset);
      firstValues.push(seen);
      seen += header.values;
    }
    offset = header.end;
  }
  if (seen > chunk.values)
    throw new InputError(`${source.file} is damaged: pages hold ${seen} of ${chunk.values} values`);
  return {
    dictionary,
    offsets: Float64Array.from(offsets),
    firstValues: Float64Array.from([...firstValues, seen]),
  };
}

/** Decodes the page of values at `offset`. */
export async function readPage(
  source: ByteSource,
  column: LeafColumn,
  codec: number,
  offset: number,
  dictionary: readonly Uint8Array[] | undefined,
): Promise<PageValues> {
  const header = await readHeader(source, offset);
  const where = `${source.file} column ${column.path.join(".")}`;
  const stored = await source.read(header.start, header.end - header.start);
  const { levels, values } =
    header.type === pageTypes.dataV2
      ? splitV2(stored, header, column, codec, where)
      : splitV1(stored, header, column, codec, where);
  const present = levels.definition?.reduce((sum, level) => sum + Number(level === column.maxDefinition), 0);
  return { ...levels, bytes: decodeBytes(values, header.encoding, present ?? header.values, dictionary, where) };
}

/** Decodes the dictionary page at `offset`. */
export async function readDictionary(
  source: ByteSource,
  codec: number,
  offset: number,
): Promise<readonly Uint8Array[]> {
  const header = await readHeader(source, offset);
  const where = `${source.file} at byte ${offset}`;
  const stored = await source.read(header.start, header.end - header.start);
  return decodeBytes(decompress(codec, stored, header.uncompressed, where), encodings.plain, header.values, [], where);
}

async function readHeader(source: ByteSource, offset: number): Promise<PageHeader> {
  const where = `${source.file} at byte ${offset}`;
  for (let wanted = headerBytes; ; wanted *= 8) {
    const bytes = await source.read(offset, Math.min(wanted, Math.max(source.size - offset, 1)));
    try {
      const { struct, length } = readThrift(bytes, where);
      return pageHeader(struct, offset + length, where, source.size);
    } catch (error) {
      if (!(error instanceof ThriftTooShort) || bytes.length < wanted || wanted > maxHeaderBytes) throw error;
    }
  }
}

function pageHeader(struct: ThriftStruct, start: number, where: string, size: number): PageHeader {
  const type = struct.count(1, "a page's type");
  const uncompressed = struct.count(2, "a page's size");
  const end = start + struct.count(3, "a page's compressed size");
  if (end > size) throw new InputError(`${where} is damaged or cut short: a page ends at byte ${end} of ${size}`);
  if (uncompressed > maxPageBytes) throw new InputError(`${where}: a page of ${uncompressed} bytes is over the limit`);
  const field = { [pageTypes.data]: 5, [pageTypes.dictionary]: 7, [pageTypes.dataV2]: 8 }[type];
  if (field === undefined) return { type, start, end, uncompressed, values: 0, encoding: 0, details: undefined };
  const details = struct.struct(field, "a page's header");
  const values = details.count(1, "a page's number of values");
  if (values > maxPageValues) throw new InputError(`${where}: a page of ${values} values is over the limit`);
  const encoding = details.count(type === pageTypes.dataV2 ? 4 : 2, "a page's encoding");
  return { type, start, end, uncompressed, values, encoding, details };
}

type Levels = Pick<PageValues, "repetition" | "definition">;

/** V1: everything is compressed together, and each kind of level has its length before it. */
function splitV1(stored: Uint8Array, header: PageHeader, column: LeafColumn, codec: number, where: string) {
  let rest = decompress(codec, stored, header.uncompressed, where);
  const levelsUpTo = (largest: number, encodingField: number): Uint32Array | undefined => {
    if (largest === 0) return undefined;
    const encoding = header.details?.count(encodingField, "a page's level encoding");
    if (encoding !== encodings.rle) throw unknownEncoding(encoding ?? -1, where);
    const length = rest.length >= 4 ? Buffer.from(rest.buffer, rest.byteOffset, 4).readUInt32LE(0) : rest.length;
    if (4 + length > rest.length) throw new InputError(`${where}: a page is damaged (its levels break off)`);
    const levels = readHybrid(rest.subarray(4, 4 + length), bitsFor(largest), header.values, where);
    rest = rest.subarray(4 + length);
    return levels;
  };
  const repetition = levelsUpTo(column.maxRepetition, 4);
  const definition = levelsUpTo(column.maxDefinition, 3);
  return { levels: { repetition, definition } satisfies Levels, values: rest };
}

/** V2: levels come first and are not compressed; their lengths stand in the header. */
function splitV2(stored: Uint8Array, header: PageHeader, column: LeafColumn, codec: number, where: string) {
  const { details } = header;
  const repetitionBytes = details?.count(6, "a page's length of repetition levels") ?? 0;
  const levelBytes = repetitionBytes + (details?.count(5, "a page's length of definition levels") ?? 0);
  if (levelBytes > stored.length || levelBytes > header.uncompressed) {
    throw new InputError(`${where}: a page is damaged (its levels break off)`);
  }
  const levelsUpTo = (largest: number, bytes: Uint8Array) =>
    largest === 0 ? undefined : readHybrid(bytes, bitsFor(largest), header.values, where);
  const repetition = levelsUpTo(column.maxRepetition, stored.subarray(0, repetitionBytes));
  const definition = levelsUpTo(column.maxDefinition, stored.subarray(repetitionBytes, levelBytes));
  const compressed = details?.flag(7, "a page's compression", true) ?? true;
  const values = stored.subarray(levelBytes);
  return {
    levels: { repetition, definition } satisfies Levels,
    // A page without values may be empty, though nothing compresses to no byte.
    values:
      compressed && header.uncompressed > levelBytes
        ? decompress(codec, values, header.uncompressed - levelBytes, where)
        : values,
  };
}

function decodeBytes(
  bytes: Uint8Array,
  encoding: number,
  count: number,
  dictionary: readonly Uint8Array[] | undefined,
  where: string,
): Uint8Array[] {
  if (encoding === encodings.plain) return plainBytes(bytes, count, where);
  if (encoding !== encodings.plainDictionary && encoding !== encodings.rleDictionary)
    throw unknownEncoding(encoding, where);
  if (count === 0) return [];
  if (dictionary === undefined) throw new InputError(`${where}: a page needs a dictionary, and there is none`);
  return Array.from(readHybrid(bytes.subarray(1), bytes[0] ?? 0, count, where), (index) => {
    const value = dictionary[index];
    if (value === undefined)
      throw new InputError(`${where}: a page is damaged (entry ${index} of ${dictionary.length})`);
    return value;
  });
}

/** Each value is its length in four bytes, and its bytes. */
function plainBytes(bytes: Uint8Array, count: number, where: string): Uint8Array[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: Uint8Array[] = [];
  for (let position = 0; values.length < count; ) {
    const start = position + 4;
    const end = start <= bytes.length ? start + view.readUInt32LE(position) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) throw new InputError(`${where}: a page is damaged (its values break off)`);
    values.push(bytes.subarray(start, end));
    position = end;
  }
  return values;
}

function unknownEncoding(encoding: number, where: string): InputError {
  const name = otherEncodings[encoding] ?? String(encoding);
  return new InputError(`${where} has the encoding ${name}, which is not read; write it with pyarrow's defaults`);
}
