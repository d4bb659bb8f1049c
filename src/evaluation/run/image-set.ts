/** @file The images to evaluate: a folder, with the prompt and seed of each. */

import { existsSync } from "node:fs";
import { basename, join, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { parsePythonJson } from "../../core/python-json.js";
import { openDataSet } from "../../data/data-set.js";
import { listImages } from "../../data/folder-files.js";
import { readPngText } from "../../data/png.js";
import { readTextFile } from "../../data/text-file.js";
import { hashFile } from "../metrics/feature-cache.js";
import type { EvaluatedImage } from "../metrics/metric.js";
import { readGenEvalFolder } from "./geneval-folder.js";
import type { ListedPrompt } from "./prompt-list.js";

export interface VariantImage extends EvaluatedImage {
  /** Of its noise, or its number among the images of its prompt. */
  readonly seed: number;
  /** Undefined where nobody named one: a verdict's category then stands for it. */
  readonly category: string | undefined;
}

/** One variant's images. */
export interface ImageSet {
  readonly name: string;
  readonly images: readonly VariantImage[];
}

/** The category of prompts that have none. */
export const noCategory = "prompts";

/** What `softrepa eval` writes beside the images that it generates, and reads where it is there; metrics may read more. */
const metadataSchema = z.looseObject({
  file_name: z.string(),
  seed: z.int().nonnegative().optional(),
  category: z.string().min(1).optional(),
  /** GenEval's name for it. */
  tag: z.string().min(1).optional(),
});
type Metadata = z.infer<typeof metadataSchema>;

/** What `softrepa generate` writes into a PNG. */
const settingsSchema = z.looseObject({ prompt: z.string(), seed: z.int().nonnegative().optional() });

interface Described {
  readonly file: string;
  readonly prompt: string;
  readonly seed?: number | undefined;
  readonly category?: string | undefined;
  readonly metadata?: Metadata | undefined;
}

/**
 * Reads the images of `folder`. Prompts come from `prompts` (in the order of the images' names, each for as many images as there are of
 * each), else from metadata.jsonl or .txt files as in a data set, else from the settings inside PNG files.
 */
export async function readImageSet(
  folder: string,
  name: string,
  prompts: readonly ListedPrompt[] | null,
): Promise<ImageSet> {
  const counts = new Map<string, number>();
  const images: VariantImage[] = [];
  for (const { file, prompt, seed, category, metadata } of await describe(folder, prompts)) {
    const number = counts.get(prompt) ?? 0;
    counts.set(prompt, number + 1);
    images.push({ file, hash: await hashFile(file), prompt, seed: seed ?? number, category, metadata });
  }
  return { name, images };
}

/** Names for folders: their last part, or the whole path where that is not enough to tell them apart. */
export function variantNames(folders: readonly string[]): string[] {
  const short = folders.map((folder) => basename(resolve(folder)));
  return folders.map((folder) => {
    const name = basename(resolve(folder));
    return short.indexOf(name) === short.lastIndexOf(name) ? name : folder;
  });
}

/** What images of variants are paired by. */
export function imageKey({ prompt, seed }: Pick<VariantImage, "prompt" | "seed">): string {
  return `${seed} ${prompt}`;
}

/** The same in words. */
export function imagePlace({ prompt, seed }: Pick<VariantImage, "prompt" | "seed">): string {
  return `${JSON.stringify(prompt)} with seed ${seed}`;
}

/** Refuses variants that do not show the same prompts with the same seeds, before anything is measured. */
export function requireSamePrompts([baseline, ...others]: readonly ImageSet[]): void {
  const requireAll = (from: ImageSet, against: ImageSet) => {
    const known = new Set(against.images.map(imageKey));
    const extra = from.images.find((image) => !known.has(imageKey(image)));
    if (extra === undefined) return;
    throw new InputError(
      `${from.name} has an image of ${imagePlace(extra)}, ${against.name} has none: variants are compared on the same prompts and seeds`,
    );
  };
  if (baseline === undefined) return;
  for (const other of others) {
    requireAll(other, baseline);
    requireAll(baseline, other);
  }
}

async function describe(folder: string, prompts: readonly ListedPrompt[] | null): Promise<Described[]> {
  const files = await listImages(folder);
  const inGenEvalLayout = await readGenEvalFolder(folder, files, prompts);
  if (inGenEvalLayout !== null) return inGenEvalLayout;
  if (prompts !== null) return assignPrompts(folder, files, prompts);
  if (existsSync(join(folder, "metadata.jsonl"))) return withMetadata(folder);
  if (files.some((file) => existsSync(file.replace(/\.[^.]*$/, ".txt")))) {
    const { items } = await openDataSet(folder);
    return items.map(({ id: file, captions }) => ({ file, prompt: captions[0] ?? "" }));
  }
  return Promise.all(files.map((file) => fromSettings(folder, file)));
}

function assignPrompts(folder: string, files: readonly string[], prompts: readonly ListedPrompt[]): Described[] {
  const each = files.length / prompts.length;
  if (!Number.isInteger(each)) {
    throw new InputError(`${folder} has ${files.length} images, which ${prompts.length} prompts do not divide evenly`);
  }
  return prompts.flatMap((listed, index) =>
    files.slice(index * each, (index + 1) * each).map((file, seed) => ({ file, ...listed, seed })),
  );
}

async function withMetadata(folder: string): Promise<Described[]> {
  const { items } = await openDataSet(folder);
  const file = join(folder, "metadata.jsonl");
  const known = new Map<string, Metadata>();
  for (const [index, line] of (await readTextFile(file)).split(/\r\n|\n/).entries()) {
    if (line.trim() === "") continue;
    const parsed = metadataSchema.safeParse(parsePythonJson(line));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new InputError(`${file} line ${index + 1}: "${issue?.path.join(".")}": ${issue?.message}`);
    }
    const path = parsed.data.file_name
      .split(/[/\\]/)
      .filter((part) => part !== ".")
      .join("/");
    if (!known.has(path)) known.set(path, parsed.data);
  }
  return items.map(({ id: image, captions }) => {
    const metadata = known.get(relative(folder, image).split(sep).join("/"));
    const { seed, category = metadata?.tag } = metadata ?? {};
    return { file: image, prompt: captions[0] ?? "", seed, category, metadata };
  });
}

async function fromSettings(folder: string, file: string): Promise<Described> {
  const none = (why: string, cause?: unknown) =>
    new InputError(
      `the prompt of ${file} is not known (${why}): give \`prompts\`, or put metadata.jsonl or .txt files into ${folder}`,
      { cause },
    );
  if (!/\.png$/i.test(file)) throw none("there is no caption beside it");
  const { softrepa } = await readPngText(file);
  if (softrepa === undefined) throw none("there is no caption beside it, and no settings in it");
  try {
    const { prompt, seed } = settingsSchema.parse(JSON.parse(softrepa));
    return { file, prompt, seed };
  } catch (error) {
    throw none(`the settings in it are damaged: ${messageOf(error)}`, error);
  }
}
