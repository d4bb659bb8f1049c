/** @file Text chunks of PNG files: writes tEXt for Latin-1 and iTXt otherwise; reads zTXt too (PNG specification, 11.3.4). */

import { crc32, inflateSync } from "node:zlib";
import { InputError, messageOf } from "../core/errors.js";

const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

/** Largest inflated text in bytes. */
const maxTextBytes = 16 * 2 ** 20;

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
  /** Where the chunk starts in the file. */
  readonly start: number;
}

/** Inserts text chunks before the pixels, where readers that stop early find them. */
export function insertPngText(png: Uint8Array, text: Readonly<Record<string, string>>): Uint8Array {
  const bytes = asBuffer(png);
  for (const chunk of chunksOf(bytes, "the encoded image")) {
    if (chunk.type !== "IDAT") continue;
    const texts = Object.entries(text).map(([keyword, value]) => textChunk(keyword, value));
    return Buffer.concat([bytes.subarray(0, chunk.start), ...texts, bytes.subarray(chunk.start)]);
  }
  throw new InputError("the encoded image has no pixels");
}

/** Text chunks by keyword; the last one of a keyword counts. Throws an InputError that names `file` if they are damaged. */
export function pngText(png: Uint8Array, file: string): Record<string, string> {
  const texts: [string, string][] = [];
  for (const { type, data } of chunksOf(asBuffer(png), file)) {
    if (type !== "tEXt" && type !== "zTXt" && type !== "iTXt") continue;
    try {
      texts.push(parseText(type, data));
    } catch (error) {
      throw new InputError(`${file}: damaged ${type} chunk (${messageOf(error)})`, { cause: error });
    }
  }
  return Object.fromEntries(texts);
}

function* chunksOf(bytes: Buffer, file: string): Generator<Chunk> {
  if (!bytes.subarray(0, 8).equals(signature)) throw new InputError(`${file} is not a PNG`);
  let start = 8;
  while (start + 12 <= bytes.length) {
    const end = start + 12 + bytes.readUInt32BE(start);
    if (end > bytes.length) break;
    const body = bytes.subarray(start + 4, end - 4);
    const type = body.toString("latin1", 0, 4);
    if (crc32(body) !== bytes.readUInt32BE(end - 4))
      throw new InputError(`${file}: checksum of a ${type} chunk is wrong`);
    yield { type, data: body.subarray(4), start };
    if (type === "IEND") return;
    start = end;
  }
  throw new InputError(`${file} is truncated`);
}

function textChunk(keyword: string, text: string): Buffer {
  if (!/^[\x21-\x7e]([\x20-\x7e]{0,77}[\x21-\x7e])?$/.test(keyword)) {
    throw new InputError(`${JSON.stringify(keyword)} is not a valid keyword of a PNG text`);
  }
  if (text.includes("\0")) throw new InputError(`the PNG text ${keyword} contains a NUL character`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of Latin-1
  if (/^[\x01-\xff]*$/.test(text)) return chunk("tEXt", Buffer.from(`${keyword}\0${text}`, "latin1"));
  // keyword, 0, not compressed (flag 0, method 0), no language, no translated keyword, UTF-8 text
  return chunk("iTXt", Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, "latin1"), Buffer.from(text, "utf8")]));
}

function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, "latin1");
  data.copy(bytes, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

function parseText(type: "tEXt" | "zTXt" | "iTXt", data: Buffer): [string, string] {
  const [keyword, rest] = splitAtZero(data, "latin1");
  if (type === "tEXt") return [keyword, rest.toString("latin1")];
  if (type === "zTXt") return [keyword, inflate(rest.subarray(1)).toString("latin1")];
  const [, afterLanguage] = splitAtZero(rest.subarray(2), "latin1");
  const [, value] = splitAtZero(afterLanguage, "utf8");
  return [keyword, (rest[0] === 1 ? inflate(value) : value).toString("utf8")];
}

function splitAtZero(data: Buffer, encoding: BufferEncoding): [string, Buffer] {
  const zero = data.indexOf(0);
  if (zero < 0) throw new Error("a NUL is missing");
  return [data.toString(encoding, 0, zero), data.subarray(zero + 1)];
}

function inflate(data: Buffer): Buffer {
  return inflateSync(data, { maxOutputLength: maxTextBytes });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
