/** @file Which image files are read (png, jpeg, webp), told by name and by first bytes. */

import { open } from "node:fs/promises";
import { extname } from "node:path";
import { InputError, messageOf } from "../core/errors.js";

/** Image formats that are read, as messages name them. */
export const readableFormats = "png, jpeg or webp";

const extensions: ReadonlySet<string> = new Set([".png", ".jpg", ".jpeg", ".webp"]);

/** Whether the name ends as a readable image's does. */
export function hasImageExtension(name: string): boolean {
  return extensions.has(extname(name).toLowerCase());
}

/** The format that the first 12 bytes of a file declare. */
export function sniffFormat(head: Uint8Array): "png" | "jpeg" | "webp" | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 12)).toString("latin1");
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (text.startsWith("\xff\xd8\xff")) return "jpeg";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "webp";
  return undefined;
}

/** Refuses bytes that are no readable image; `file` is for the message. */
export function requireImageBytes(head: Uint8Array, file: string): void {
  if (sniffFormat(head)) return;
  if (head.byteLength === 0) throw new InputError(`image ${file} is empty`);
  throw new InputError(`${file} is not a ${readableFormats} image, whatever its name says`);
}

/** Reads the first bytes of `file` and refuses it unless they are those of a readable image. */
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
