/** @file Locates the pages of a column chunk and decodes the byte arrays of one page at a time with hyparquet. */

import { decompress as decompressZstd } from "fzstd";
import { type CompressionCodec, type Compressors, type Encoding, type PageHeader, snappyUncompress } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { decompressPage } from "hyparquet/src/datapage.js";
import { deltaByteArray, deltaLengthByteArray } from "hyparquet/src/delta.js";
import { readPlain } from "hyparquet/src/plain.js";
import { compressors as otherCompressors } from "hyparquet-compressors";
import { InputError } from "../../core/errors.js";
import type { ByteSource } from "../byte-source.js";
import type { ColumnChunk, LeafColumn } from "./footer.js";
import { damaged, parsing } from "./parsing.js";
import { bitsFor, readRuns } from "./runs.js";

/** Locations of pages in the file; typed arrays, since there may be as many pages as images. */
export interface PageTable {
  readonly dictionary: number | undefined;
  /** Byte offset of each page of values. */
  readonly offsets: Float64Array;
  /** Position of each page's first value in the chunk; the last entry is the number of all values. */
  readonly firstValues: Float64Array;
}

/** Decoded values of a page; without levels, every value is present and starts a row. */
export interface PageValues {
  readonly repetition: readonly number[] | undefined;
  readonly definition: readonly number[] | undefined;
  /** The non-null values, as views into the page. */
  readonly bytes: readonly Uint8Array[];
}

/** Limits of a page that is decoded. */
const maxPageBytes = 2 ** 29;
const maxPageValues = 2 ** 22;
/** Page headers are small, but may include statistics. */
const headerBytes = 2 ** 9;
const maxHeaderBytes = 2 ** 22;

/** Snappy and zstd replace those of hyparquet-compressors, which do not check the size of the output. */
const compressors: Compressors = {
  ...otherCompressors,
  SNAPPY: (input, length) => {
    const page = new Uint8Array(length);
    snappyUncompress(input, page);
    return page;
  },
  ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
};

interface Page {
  readonly header: PageHeader;
  /** Byte offsets of the data after the header and of the end of the page. */
  readonly start: number;
  readonly end: number;
  /** Number of values, including nulls; 0 for other kinds of page. */
  readonly values: number;
}

/** Reads the page headers of a chunk without reading the pages. */
export async function findPages(source: ByteSource, chunk: ColumnChunk): Promise<PageTable> {
  const offsets: number[] = [];
  const firstValues: number[] = [];
  let dictionary: number | undefined;
  let seen = 0;
  for (let offset = chunk.start; seen < chunk.values; ) {
    const { header, values, end } = await readHeader(source, offset);
    if (header.type === "DICTIONARY_PAGE") dictionary ??= offset;
    else if (header.type === "DATA_PAGE" || header.type === "DATA_PAGE_V2") {
      offsets.push(offset);
      firstValues.push(seen);
      seen += values;
    }
    offset = end;
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
  codec: CompressionCodec,
  offset: number,
  dictionary: readonly Uint8Array[] | undefined,
): Promise<PageValues> {
  const { header, values, start, end } = await readHeader(source, offset);
  const where = `${source.file} column ${column.path.join(".")}`;
  const stored = await source.read(start, end - start);
  return parsing(where, () => {
    const page =
      header.type === "DATA_PAGE_V2" ? splitV2(stored, header, codec) : splitV1(stored, header, column, codec);
    const levels = (largest: number, bytes: Uint8Array) =>
      largest === 0 ? undefined : readRuns(bytes, bitsFor(largest), values, where);
    const repetition = levels(column.maxRepetition, page.repetition);
    const definition = levels(column.maxDefinition, page.definition);
    const present = definition?.reduce((sum, level) => sum + Number(level === column.maxDefinition), 0) ?? values;
    return { repetition, definition, bytes: decodeBytes(page.values, page.encoding, present, dictionary, where) };
  });
}

/** Decodes the dictionary page at `offset`. */
export async function readDictionary(
  source: ByteSource,
  codec: CompressionCodec,
  offset: number,
): Promise<readonly Uint8Array[]> {
  const { header, values, start, end } = await readHeader(source, offset);
  const where = `${source.file} at byte ${offset}`;
  const stored = await source.read(start, end - start);
  return parsing(where, () => {
    const page = decompressPage(stored, header.uncompressed_page_size, codec, compressors);
    return decodeBytes(page, "PLAIN", values, undefined, where);
  });
}

async function readHeader(source: ByteSource, offset: number): Promise<Page> {
  const where = `${source.file} at byte ${offset}`;
  for (let wanted = headerBytes; ; wanted *= 8) {
    const bytes = await source.read(offset, Math.min(wanted, Math.max(source.size - offset, 1)));
    const reader = { view: new DataView(bytes.buffer), offset: 0 };
    try {
      const header = parquetHeader(reader);
      return checkedPage(header, offset + reader.offset, where, source.size);
    } catch (error) {
      const whole = bytes.length < wanted || wanted > maxHeaderBytes;
      if (whole || error instanceof InputError) throw damaged(where, error);
    }
  }
}

function checkedPage(header: PageHeader, start: number, where: string, size: number): Page {
  const uncompressed = count(header.uncompressed_page_size, "a page's size");
  const end = start + count(header.compressed_page_size, "a page's compressed size");
  if (end > size) throw new InputError(`${where} is damaged or cut short: a page ends at byte ${end} of ${size}`);
  if (uncompressed > maxPageBytes) throw new InputError(`${where}: a page of ${uncompressed} bytes is over the limit`);
  const details = header.data_page_header ?? header.data_page_header_v2 ?? header.dictionary_page_header;
  const values = details === undefined ? 0 : count(details.num_values, "a page's number of values");
  if (values > maxPageValues) throw new InputError(`${where}: a page of ${values} values is over the limit`);
  return { header, start, end, values };
}

/** A page's uncompressed levels and values. */
interface Parts {
  readonly repetition: Uint8Array;
  readonly definition: Uint8Array;
  readonly values: Uint8Array;
  readonly encoding: Encoding;
}

/** V1: everything is compressed together, and each kind of level is preceded by its length. */
function splitV1(stored: Uint8Array, header: PageHeader, column: LeafColumn, codec: CompressionCodec): Parts {
  const { data_page_header: details } = header;
  if (details === undefined) throw new Error("its header is missing");
  let rest = decompressPage(stored, header.uncompressed_page_size, codec, compressors);
  const levels = (largest: number, encoding: Encoding): Uint8Array => {
    if (largest === 0) return rest.subarray(0, 0);
    if (encoding !== "RLE") throw new Error(`levels with the encoding ${encoding}`);
    const end = 4 + new DataView(rest.buffer, rest.byteOffset, rest.byteLength).getUint32(0, true);
    if (end > rest.length) throw new Error("its levels are truncated");
    const bytes = rest.subarray(4, end);
    rest = rest.subarray(end);
    return bytes;
  };
  const repetition = levels(column.maxRepetition, details.repetition_level_encoding);
  const definition = levels(column.maxDefinition, details.definition_level_encoding);
  return { repetition, definition, values: rest, encoding: details.encoding };
}

/** V2: levels come first, uncompressed, with their lengths in the header. */
function splitV2(stored: Uint8Array, header: PageHeader, codec: CompressionCodec): Parts {
  const { data_page_header_v2: details } = header;
  if (details === undefined) throw new Error("its header is missing");
  const repetitionEnd = count(details.repetition_levels_byte_length, "a page's length of repetition levels");
  const levelsEnd =
    repetitionEnd + count(details.definition_levels_byte_length, "a page's length of definition levels");
  const size = header.uncompressed_page_size - levelsEnd;
  if (levelsEnd > stored.length || size < 0) throw new Error("its levels are truncated");
  const rest = stored.subarray(levelsEnd);
  // A page without values may be empty, which no codec decompresses.
  const values = details.is_compressed !== false && size > 0 ? decompressPage(rest, size, codec, compressors) : rest;
  const [repetition, definition] = [stored.subarray(0, repetitionEnd), stored.subarray(repetitionEnd, levelsEnd)];
  return { repetition, definition, values, encoding: details.encoding };
}

function decodeBytes(
  bytes: Uint8Array,
  encoding: Encoding,
  count: number,
  dictionary: readonly Uint8Array[] | undefined,
  where: string,
): readonly Uint8Array[] {
  if (count === 0) return [];
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  const values = new Array<Uint8Array>(count);
  switch (encoding) {
    case "PLAIN":
      return readPlain(reader, "BYTE_ARRAY", count, undefined) as Uint8Array[];
    case "DELTA_LENGTH_BYTE_ARRAY":
      deltaLengthByteArray(reader, count, values);
      return values;
    case "DELTA_BYTE_ARRAY":
      deltaByteArray(reader, count, values);
      return values;
    case "PLAIN_DICTIONARY":
    case "RLE_DICTIONARY":
      return readRuns(bytes.subarray(1), bytes[0] ?? 0, count, where).map((index) => {
        const value = dictionary?.[index];
        if (value === undefined) throw new Error(`entry ${index} of a dictionary of ${dictionary?.length ?? 0}`);
        return value;
      });
    default:
      throw new Error(`values with the encoding ${encoding}`);
  }
}

function count(value: number | undefined, name: string): number {
  if (value !== undefined && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`${name} is ${value ?? "missing"}`);
}
