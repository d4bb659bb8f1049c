/** @file Codecs of Parquet pages, by the numbers of parquet.thrift's CompressionCodec. */

import zlib from "node:zlib";
import { InputError, messageOf } from "../../core/errors.js";
import { unsnap } from "./snappy.js";

const names = ["uncompressed", "snappy", "gzip", "LZO", "brotli", "LZ4", "zstd", "LZ4_RAW"];

/** Decompresses a page to exactly `length` bytes. */
export function decompress(codec: number, input: Uint8Array, length: number, where: string): Uint8Array {
  const output =
    codec === 0 ? input : codec === 1 ? unsnap(input, length, where) : inflate(codec, input, length, where);
  if (output.length === length) return output;
  throw new InputError(`${where}: a page has ${output.length} bytes where its header says ${length}`);
}

/** Refuses a codec that is not read here. */
export function requireCodec(codec: number, where: string): void {
  if (codec === 0 || codec === 1 || decompressor(codec) !== undefined) return;
  const name = names[codec] ?? `codec ${codec}`;
  const needs = codec === 6 ? ", which needs Node 22.15 or newer" : ", which is not read";
  throw new InputError(`${where} is compressed with ${name}${needs}; write it with snappy`);
}

function inflate(codec: number, input: Uint8Array, length: number, where: string): Uint8Array {
  requireCodec(codec, where);
  try {
    // One byte more than wanted is enough to see that the page is too long.
    return decompressor(codec)?.(input, { maxOutputLength: length + 1 }) ?? input;
  } catch (error) {
    throw new InputError(`${where}: a page cannot be decompressed: ${messageOf(error)}`, { cause: error });
  }
}

type Decompressor = (input: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array;

function decompressor(codec: number): Decompressor | undefined {
  switch (names[codec]) {
    case "gzip":
      return zlib.gunzipSync;
    case "brotli":
      return zlib.brotliDecompressSync;
    case "zstd":
      return (zlib as { readonly zstdDecompressSync?: Decompressor }).zstdDecompressSync;
    default:
      return undefined;
  }
}
