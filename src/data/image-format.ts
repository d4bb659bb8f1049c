/** @file Recognises supported image files (png, jpeg, webp) by extension and by first bytes. */

import { open } from "node:fs/promises";
import { extname } from "node:path";
import { InputError, messageOf } from "../core/errors.js";

/** The supported image formats, for messages. */
export const readableFormats = "png, jpeg or webp";

const extensions: ReadonlySet<string> = new Set([".png", ".jpg", ".jpeg", ".webp"]);

/** Whether the name has the extension of a supported image format. */
export function hasImageExtension(name: string): boolean {
  return extensions.has(extname(name).toLowerCase());
}

/** The format by the first 12 bytes of a file. */
export function sniffFormat(head: Uint8Array): "png" | "jpeg" | "webp" | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 12)).toString("latin1");
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (text.startsWith("\xff\xd8\xff")) return "jpeg";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "webp";
  return undefined;
}

/** Throws an InputError that names `file` if the bytes are not a supported image. */
export function requireImageBytes(head: Uint8Array, file: string): void {
  if (sniffFormat(head)) return;
  if (head.byteLength === 0) throw new InputError(`image ${file} is empty`);
  throw new InputError(`${file} is not a ${readableFormats} image, despite its name`);
}

/** Throws an InputError if the first bytes of `file` are not those of a supported image. */
export async function requireImageFile(file: string): Promise<void> {
  const head = new Uint8Array(12);
  let length: number;
  try {
    const handle = await open(file, "r");
    try {
      length = (await handle.read(head, 0, head.length, 0)).bytesRead;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new InputError(`cannot read image ${file}: ${messageOf(error)}`, { cause: error });
  }
  requireImageBytes(head.subarray(0, length), file);
}
