/** @file Finds the text encoders that a single file lacks, and tokenizers, which no checkpoint contains. */

import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { InputError, UsageError } from "../core/errors.js";
import { isFile } from "../core/missing.js";
import { type OriginalNetwork, subtree, withoutUnusedKeys } from "../models/original/network.js";
import { builtInClipFolder, builtInClipSize } from "../models/tokenizer/index.js";
import { openCheckpoint } from "../weights/checkpoint.js";
import { errnoError } from "../weights/read-bytes.js";
import { openSafetensors } from "../weights/safetensors.js";
import type { WeightSource } from "../weights/source.js";
import { readJson, type TokenizerLocation } from "./folder.js";
import type { PipelineFileOptions } from "./open-options.js";
import type { OriginalEncoder } from "./single-file-layout.js";

export interface FoundEncoder {
  readonly encoder: OriginalEncoder;
  readonly part: OriginalNetwork;
}

/**
 * Finds the text encoders of a checkpoint. Those it lacks are read from the folder `textEncoders`, as diffusers components
 * (`text_encoder/`, ...) or as files (`clip_l.safetensors`, ...). Throws an InputError if a required one is missing.
 */
export async function findEncoders(
  source: WeightSource,
  encoders: readonly OriginalEncoder[],
  { textEncoders }: PipelineFileOptions,
): Promise<readonly FoundEncoder[]> {
  const found: FoundEncoder[] = [];
  const absent: OriginalEncoder[] = [];
  for (const encoder of encoders) {
    const inside = subtree(source, encoder.prefix, encoder.title);
    if (inside.tensors.size > 0) found.push({ encoder, part: encoder.read(inside) });
    else absent.push(encoder);
  }
  if (textEncoders !== undefined) {
    if (absent.length === 0) {
      throw new UsageError(`${source.origin} contains all its text encoders: omit \`textEncoders\``);
    }
    const names = await list(textEncoders);
    for (const encoder of absent) {
      const part = await encoderFrom(textEncoders, names, encoder);
      if (part !== null) found.push({ encoder, part });
    }
  }
  requireEncoders(source.origin, encoders, found, textEncoders);
  return found;
}

/** Reads one encoder from a folder; null if it is not there. */
async function encoderFrom(
  folder: string,
  names: ReadonlySet<string>,
  { component, title, files, read }: OriginalEncoder,
): Promise<OriginalNetwork | null> {
  if (names.has(component)) {
    const file = join(folder, component, "config.json");
    const config = await readJson(file, z.looseObject({}), (reason) => `${file}: ${reason}`);
    return { config, weights: await openCheckpoint(join(folder, component), "model") };
  }
  const file = files.find((name) => names.has(name));
  if (file === undefined) return null;
  return read(subtree(withoutUnusedKeys(await openSafetensors(join(folder, file))), "", title));
}

function requireEncoders(
  origin: string,
  encoders: readonly OriginalEncoder[],
  found: readonly FoundEncoder[],
  folder: string | undefined,
): void {
  const missing = encoders.filter((one) => !one.optional && !found.some(({ encoder }) => encoder === one));
  if (missing.length === 0) return;
  const titles = missing.map(({ title }) => title).join(" and ");
  const files = missing.map(({ files: [file], component }) => `${file} or ${component}/`).join(", ");
  const where = folder === undefined ? "" : `, and neither does ${folder}`;
  throw new InputError(
    `${origin} contains no text encoder ${titles}${where}: pass a folder with them (${files}) as \`textEncoders\``,
  );
}

/**
 * Finds the encoders' tokenizers: in the folders `tokenizers`, then in `textEncoders`, then in the checkpoint's folder, each
 * either as a diffusers folder (`tokenizer/`, `tokenizer_2/`, ...) or with the files directly inside. The last resort for CLIP
 * is the tokenizer built into this package. Throws an InputError if one is not found.
 */
export async function findTokenizers(
  path: string,
  encoders: readonly FoundEncoder[],
  { tokenizers = [], textEncoders }: PipelineFileOptions,
): Promise<ReadonlyMap<string, TokenizerLocation>> {
  for (const folder of tokenizers) await requireTokenizer(folder, encoders);
  const folders = [...tokenizers, ...(textEncoders === undefined ? [] : [textEncoders]), dirname(path)];
  const places = new Map<string, TokenizerLocation>();
  for (const { encoder, part } of encoders) {
    const vocabulary = z.object({ vocab_size: z.int() }).safeParse(part.config).data?.vocab_size;
    const place =
      (await firstOf(folders, (folder) => tokenizerIn(folder, encoder))) ?? builtInTokenizer(encoder, vocabulary);
    if (place === null) throw noTokenizer(path, encoder, folders, vocabulary);
    places.set(encoder.tokenizer.component, { ...place, vocabularySize: vocabulary ?? Number.POSITIVE_INFINITY });
  }
  return places;
}

/** Throws an InputError if a named folder has no tokenizer, since another one would silently be used in its place. */
async function requireTokenizer(folder: string, encoders: readonly FoundEncoder[]): Promise<void> {
  await list(folder);
  if ((await firstOf(encoders, ({ encoder }) => tokenizerIn(folder, encoder))) !== null) return;
  const kinds = new Set(encoders.map(({ encoder }) => encoder.tokenizer.kind));
  const files = [...kinds].map((kind) => tokenizerFiles[kind]).join(" or ");
  throw new InputError(
    `${folder} has no tokenizer of this model (${files}): omit \`tokenizers\`, or name another folder`,
  );
}

/** The built-in CLIP tokenizer if the encoder has at least its vocabulary (fine-tunes may have added tokens), else null. */
function builtInTokenizer({ tokenizer }: OriginalEncoder, vocabulary: number | undefined): Place | null {
  const fits = tokenizer.kind === "clip" && (vocabulary ?? builtInClipSize) >= builtInClipSize;
  return fits ? { folder: builtInClipFolder, pad: tokenizer.pad } : null;
}

type Place = Omit<TokenizerLocation, "vocabularySize">;

/** The location of one encoder's tokenizer in `folder`; null if it is not there. */
async function tokenizerIn(folder: string, { tokenizer }: OriginalEncoder): Promise<Place | null> {
  const { kind, component, pad } = tokenizer;
  const own = join(folder, component);
  switch (kind) {
    case "clip":
      if (await isFile(join(own, "tokenizer_config.json"))) return { folder: own };
      // All CLIP text encoders of these families share one vocabulary and differ only in their pad token.
      for (const place of [own, join(folder, "tokenizer"), folder]) {
        if ((await isFile(join(place, "vocab.json"))) && (await isFile(join(place, "merges.txt")))) {
          return { folder: place, pad };
        }
      }
      return null;
    case "t5":
      if (await isFile(join(own, "tokenizer.json"))) return { folder: own };
      // A CLIP tokenizer may have a tokenizer.json too, along with its vocab.json.
      if (await isFile(join(folder, "vocab.json"))) return null;
      return (await isFile(join(folder, "tokenizer.json"))) ? { folder } : null;
  }
}

/** The files of a tokenizer, by kind. */
const tokenizerFiles: Readonly<Record<OriginalEncoder["tokenizer"]["kind"], string>> = {
  clip: "vocab.json and merges.txt",
  t5: "tokenizer.json and tokenizer_config.json",
};

function noTokenizer(
  path: string,
  { title, tokenizer: { kind, component } }: OriginalEncoder,
  folders: readonly string[],
  vocabulary: number | undefined,
): InputError {
  const unusual = kind === "clip" ? `, which has ${vocabulary} tokens instead of CLIP's ${builtInClipSize}` : "";
  return new InputError(
    `${path}: the tokenizer of its text encoder ${title}${unusual} (${tokenizerFiles[kind]}) is not part of checkpoints, and not found in ` +
      `${folders.join(" or ")}: pass a folder with it as \`tokenizers\`, such as ${component}/ of the same model in the diffusers layout`,
  );
}

async function firstOf<T, R>(items: readonly T[], find: (item: T) => Promise<R | null>): Promise<R | null> {
  for (const item of items) {
    const found = await find(item);
    if (found !== null) return found;
  }
  return null;
}

/** Lists a folder that the user named. Throws an InputError if it does not exist. */
async function list(folder: string): Promise<ReadonlySet<string>> {
  try {
    return new Set(await readdir(folder));
  } catch (error) {
    throw errnoError(folder, error);
  }
}
