/**
 * @file Images in GenEval's layout (arXiv 2310.11513): `00012/samples/00003.png`, with the prompt of `00012` in its
 * metadata.jsonl and a preview of its samples in `grid.png`.
 */

import { readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { isMissing } from "../../core/missing.js";
import { decodeText, parseJsonText } from "../../data/text-file.js";
import type { ListedPrompt } from "./prompt-list.js";

const samplePath = /^(\d+)\/samples\/(\d+)\.\w+$/;
/** Between the seeds of two folders with the same prompt. */
const foldersApart = 10_000;
const gridPath = /^\d+\/grid\.\w+$/;
const metadataSchema = z.looseObject({ prompt: z.string().min(1), tag: z.string().min(1).optional() });

/** An image with its prompt; its number in the folder of its prompt is its seed. */
export interface GenEvalImage extends ListedPrompt {
  readonly file: string;
  readonly seed: number;
}

/**
 * Returns the samples of a GenEval folder with their prompts, or null for another layout. Without metadata.jsonl files, the
 * prompt of the folder 00012 is the entry of `prompts` with that index. Throws an InputError if a prompt is unknown or differs
 * from the one in `prompts`.
 */
export async function readGenEvalFolder(
  folder: string,
  files: readonly string[],
  prompts: readonly ListedPrompt[] | null,
): Promise<GenEvalImage[] | null> {
  const paths = files.map((file) => ({ file, path: relative(folder, file).split(sep).join("/") }));
  const samples = paths.filter(({ path }) => samplePath.test(path));
  if (samples.length === 0) return null;
  const stray = paths.find(({ path }) => !samplePath.test(path) && !gridPath.test(path));
  if (stray !== undefined) {
    throw new InputError(`${folder} has samples in the layout of GenEval, but also ${stray.path}: move it elsewhere`);
  }
  const known = new Map<string, ListedPrompt>();
  const images: GenEvalImage[] = [];
  for (const { file, path } of samples) {
    const [, name = "", number = ""] = samplePath.exec(path) ?? [];
    const listed = known.get(name) ?? (await promptOf(folder, name, prompts));
    known.set(name, listed);
    const earlier = [...known].filter(([other, { prompt }]) => other !== name && prompt === listed.prompt).length;
    images.push({ file, ...listed, seed: earlier * foldersApart + Number(number) });
  }
  return images;
}

async function promptOf(folder: string, name: string, prompts: readonly ListedPrompt[] | null): Promise<ListedPrompt> {
  const file = join(folder, name, "metadata.jsonl");
  const own = await readMetadata(file);
  const listed = prompts?.[Number(name)];
  if (own === null) {
    if (listed !== undefined) return listed;
    const why = prompts === null ? "give `prompts`" : `\`prompts\` has ${prompts.length} entries`;
    throw new InputError(`the prompt of ${join(folder, name)} is not known: it has no metadata.jsonl; ${why}`);
  }
  if (listed === undefined) return own;
  if (own.prompt === listed.prompt) return { ...own, ...listed };
  const [wanted, found] = [JSON.stringify(listed.prompt), JSON.stringify(own.prompt)];
  throw new InputError(`${file} has the prompt ${found}, entry ${Number(name) + 1} of \`prompts\` is ${wanted}`);
}

async function readMetadata(file: string): Promise<ListedPrompt | null> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  const { data } = metadataSchema.safeParse(parseJsonText(decodeText(bytes, file).trim(), file));
  if (data === undefined) throw new InputError(`${file} has no prompt (a string)`);
  return { prompt: data.prompt, category: data.tag };
}
