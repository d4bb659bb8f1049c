/** @file Hugging Face's imagefolder with `metadata.jsonl`: `file_name` and `text` per line; other keys are ignored. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { captionOf } from "../caption.js";
import type { CaptionedImage } from "../captioned-image.js";
import { attempt, type ReportFault } from "../finding.js";
import type { FolderFiles } from "../folder-files.js";
import { captionedFiles } from "../image-files.js";
import { hasImageExtension } from "../image-format.js";
import { relativeImagePath } from "../inner-path.js";
import { decodeText, parseJsonText } from "../text-file.js";
import { readLines, type TextLine } from "../text-lines.js";
import type { DataFormat } from "./format.js";

export const metadataName = "metadata.jsonl";

/** Longest line in bytes. */
const maxLineBytes = 2 ** 20;

export const metadataJsonl: DataFormat = {
  title: "images with metadata.jsonl",
  recognise: ({ names }) => (names.includes(metadataName) ? metadataName : undefined),
  read: readMetadataFolder,
};

const lineSchema = z.object(
  { file_name: z.string("needs a file_name (a string)"), text: z.string("needs a text (a string)") },
  "must be one JSON object with file_name and text",
);

/** Reads the listed images; several lines of one image are variants, and `.txt` files are ignored. */
async function readMetadataFolder({ folder, names }: FolderFiles, report: ReportFault): Promise<CaptionedImage[]> {
  const file = join(folder, metadataName);
  const present = new Set(names);
  const captions = new Map<string, Set<string>>();
  let lines = 0;
  for await (const line of readLines(file, maxLineBytes)) {
    if (line.bytes !== null && isBlank(line.bytes)) continue;
    lines++;
    const where = `${file} line ${line.number}`;
    const entry = await attempt(report, "bad-caption", where, () => parseLine(line, where));
    if (entry === undefined) continue;
    const { name, text } = entry;
    if (!present.has(name)) {
      const message = `${where}: there is no image ${name} in ${folder}`;
      report({ kind: "missing-image", where: join(folder, name), message });
      continue;
    }
    const variants = captions.get(name);
    if (variants) variants.add(text);
    else captions.set(name, new Set([text]));
  }
  if (lines === 0) throw new InputError(`${file} is empty`);
  for (const name of names) {
    if (!hasImageExtension(name) || captions.has(name)) continue;
    const where = join(folder, name);
    report({ kind: "missing-caption", where, message: `image ${where} has no caption (a line in ${metadataName})` });
  }
  return captionedFiles(folder, captions, report);
}

/** Parses a line to a path inside the folder and a caption. Throws an InputError that starts with `where`. */
export function parseLine({ bytes }: TextLine, where: string): { readonly name: string; readonly text: string } {
  if (bytes === null) throw new InputError(`${where}: the line has more than ${maxLineBytes} bytes`);
  const parsed = lineSchema.safeParse(parseJsonText(decodeText(bytes, where), where));
  if (!parsed.success) throw new InputError(`${where}: ${parsed.error.issues[0]?.message ?? "is invalid"}`);
  const text = captionOf(parsed.data.text, where);
  return { name: relativeImagePath(parsed.data.file_name, where), text };
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
