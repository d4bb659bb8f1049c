/** @file Lines of a `metadata.jsonl` as Hugging Face's imagefolder has it: `file_name` and `text`, other keys ignored. */

import { posix, win32 } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../core/errors.js";
import { hasImageExtension, readableFormats } from "./image-format.js";
import { readTextFile } from "./text-file.js";

/** One caption of one image, and the line it stands on (from 1). */
export interface MetadataLine {
  /** Path inside the folder, normalised, with `/`. */
  readonly name: string;
  readonly text: string;
  readonly line: number;
}

const lineSchema = z.object(
  { file_name: z.string("needs a file_name (a string)"), text: z.string("needs a text (a string)") },
  "must be one JSON object with file_name and text",
);

/** All lines of `file`; every name stays inside the folder, no text is empty. */
export async function readMetadata(file: string): Promise<MetadataLine[]> {
  const entries: MetadataLine[] = [];
  for (const [index, source] of (await readTextFile(file)).split(/\r\n|\n/).entries()) {
    if (source.trim() !== "") entries.push(parseLine(source, `${file} line ${index + 1}`, index + 1));
  }
  if (entries.length === 0) throw new InputError(`${file} is empty`);
  return entries;
}

function parseLine(source: string, where: string, line: number): MetadataLine {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    throw new InputError(`${where}: broken JSON (${messageOf(error)})`, { cause: error });
  }
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) throw new InputError(`${where}: ${parsed.error.issues[0]?.message ?? "not understood"}`);
  const text = parsed.data.text.trim();
  if (text === "") throw new InputError(`${where}: text is empty`);
  return { name: nameInside(parsed.data.file_name, where), text, line };
}

function nameInside(name: string, where: string): string {
  const shown = JSON.stringify(name);
  if (name === "" || name.includes("\0")) throw new InputError(`${where}: file_name ${shown} is no file name`);
  if (posix.isAbsolute(name) || win32.isAbsolute(name)) {
    throw new InputError(`${where}: file_name ${shown} must be relative to the folder`);
  }
  if (name.split(/[/\\]/).includes("..")) {
    throw new InputError(`${where}: file_name ${shown} leaves the folder`);
  }
  if (!hasImageExtension(name)) throw new InputError(`${where}: file_name ${shown} is not a ${readableFormats} file`);
  return posix.normalize(name);
}
