/** @file The pictures to be judged: a folder, the prompt and seed of each, and, for the world's scenes, what they must show. */

import { existsSync } from "node:fs";
import { basename, join, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { openDataSet } from "../../data/data-set.js";
import { listImages } from "../../data/folder-files.js";
import { pictureSize } from "../../data/picture.js";
import { readPngText } from "../../data/png.js";
import { readTextFile } from "../../data/text-file.js";
import { readPrompt } from "../../world/read-prompt.js";
import { categories, colours, imageSize, relations, shapes } from "../../world/scene.js";
import type { Expectation } from "../../world/verify.js";
import { hashFile } from "../metrics/feature-cache.js";
import type { Judged } from "../metrics/metric.js";
import type { ListedPrompt } from "./prompt-list.js";

/** A picture with what is known of it. */
export interface EvaluatedPicture extends Judged {
  /** Of its noise, or its number among the pictures of its prompt. */
  readonly seed: number;
  readonly category: string;
  /** What the built-in verifier asks; null where it can say nothing. */
  readonly expectation: Expectation | null;
}

/** One variant's pictures. */
export interface PictureSet {
  readonly name: string;
  readonly pictures: readonly EvaluatedPicture[];
}

/** The category of prompts that have none. */
export const noCategory = "prompts";

export const expectationSchema = z.strictObject({
  category: z.enum(categories),
  objects: z
    .array(z.strictObject({ shape: z.enum(shapes), colour: z.enum(colours).nullable(), count: z.int().positive() }))
    .min(1),
  relation: z.enum(relations).nullable(),
});

/** What `softrepa eval` writes beside the pictures that it draws, and reads where it is there. */
const furtherSchema = z.looseObject({
  file_name: z.string(),
  seed: z.int().nonnegative().optional(),
  category: z.string().min(1).optional(),
  /** GenEval's name for it. */
  tag: z.string().min(1).optional(),
  expectation: expectationSchema.optional(),
});

/** What `softrepa generate` writes into a PNG. */
const settingsSchema = z.looseObject({ prompt: z.string(), seed: z.int().nonnegative().optional() });

interface Described {
  readonly file: string;
  readonly prompt: string;
  readonly seed?: number | undefined;
  readonly category?: string | undefined;
  readonly expectation?: Expectation | undefined;
}

/**
 * Reads the pictures of `folder`. Prompts come from `prompts` (in the order of the pictures' names, each for as many pictures as there are of
 * each), else from metadata.jsonl or .txt files as in a data set, else from the settings inside PNG files.
 */
export async function readPictureSet(
  folder: string,
  name: string,
  prompts: readonly ListedPrompt[] | null,
): Promise<PictureSet> {
  const described = await describe(folder, prompts);
  const drawn = new Map<string, number>();
  const pictures: EvaluatedPicture[] = [];
  for (const { file, prompt, seed, category, expectation: given } of described) {
    const expectation = given ?? (await expectationOfPrompt(file, prompt));
    const number = drawn.get(prompt) ?? 0;
    drawn.set(prompt, number + 1);
    pictures.push({
      file,
      hash: await hashFile(file),
      prompt,
      seed: seed ?? number,
      category: category ?? expectation?.category ?? noCategory,
      expectation,
    });
  }
  return { name, pictures };
}

/** Of a picture as small as the world's whose prompt is one of its own. */
async function expectationOfPrompt(file: string, prompt: string): Promise<Expectation | null> {
  const expectation = readPrompt(prompt);
  if (expectation === null) return null;
  const { width, height } = await pictureSize(file);
  return width === imageSize && height === imageSize ? expectation : null;
}

/** Names for folders: their last part, or the whole path where that is not enough to tell them apart. */
export function variantNames(folders: readonly string[]): string[] {
  const short = folders.map((folder) => basename(resolve(folder)));
  return short.map((name, index) => (short.indexOf(name) === short.lastIndexOf(name) ? name : folders[index]));
}

/** Refuses variants that do not show the same prompts with the same seeds, before anything is measured. */
export function requireSamePrompts(sets: readonly PictureSet[]): void {
  const keyOf = ({ prompt, seed }: EvaluatedPicture) => `${seed} ${prompt}`;
  const requireAll = (from: PictureSet, against: PictureSet) => {
    const known = new Set(against.pictures.map(keyOf));
    const extra = from.pictures.find((picture) => !known.has(keyOf(picture)));
    if (extra === undefined) return;
    const place = `${JSON.stringify(extra.prompt)} with seed ${extra.seed}`;
    throw new InputError(
      `${from.name} has a picture of ${place}, ${against.name} has none: variants are compared on the same prompts and seeds`,
    );
  };
  const [baseline, ...others] = sets;
  for (const other of others) {
    requireAll(other, baseline);
    requireAll(baseline, other);
  }
}

async function describe(folder: string, prompts: readonly ListedPrompt[] | null): Promise<Described[]> {
  if (prompts !== null) return assignPrompts(folder, await listImages(folder), prompts);
  const files = await listImages(folder);
  if (existsSync(join(folder, "metadata.jsonl"))) return withMetadata(folder);
  if (files.some((file) => existsSync(file.replace(/\.[^.]*$/, ".txt")))) {
    const { items } = await openDataSet(folder);
    return items.map(({ id: file, captions }) => ({ file, prompt: captions[0] }));
  }
  return Promise.all(files.map((file) => fromSettings(folder, file)));
}

function assignPrompts(folder: string, files: readonly string[], prompts: readonly ListedPrompt[]): Described[] {
  const each = files.length / prompts.length;
  if (!Number.isInteger(each)) {
    throw new InputError(`${folder} has ${files.length} images, which ${prompts.length} prompts do not divide evenly`);
  }
  return files.map((file, index) => ({ file, ...prompts[Math.floor(index / each)], seed: index % each }));
}

async function withMetadata(folder: string): Promise<Described[]> {
  const { items } = await openDataSet(folder);
  const file = join(folder, "metadata.jsonl");
  const further = new Map<string, z.infer<typeof furtherSchema>>();
  for (const [index, line] of (await readTextFile(file)).split(/\r\n|\n/).entries()) {
    if (line.trim() === "") continue;
    const parsed = furtherSchema.safeParse(JSON.parse(line));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new InputError(`${file} line ${index + 1}: "${issue.path.join(".")}": ${issue.message}`);
    }
    const known = parsed.data.file_name.split(/[/\\]/).filter((part) => part !== ".");
    if (!further.has(known.join("/"))) further.set(known.join("/"), parsed.data);
  }
  return items.map(({ id: picture, captions }) => {
    const { seed, category, tag, expectation } = further.get(relative(folder, picture).split(sep).join("/")) ?? {};
    return { file: picture, prompt: captions[0], seed, category: category ?? tag, expectation };
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
