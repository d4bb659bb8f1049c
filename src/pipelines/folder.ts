/** @file Reading a diffusers pipeline folder: model_index.json, and the configurations and tokenizers of its components. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../core/errors.js";
import { parsePythonJson } from "../core/python-json.js";
import { openClipTokenizer, openT5Tokenizer, type TextTokenizer } from "../models/tokenizer/index.js";
import type { WeightSource } from "../weights/source.js";

/** model_index.json: the pipeline's class, and [library, class] for each component of the pipeline. */
const modelIndexSchema = z.looseObject({ _class_name: z.string() });
const componentSchema = z.tuple([z.string(), z.string()]);

/**
 * A pipeline folder, or a single file presented as one. For a single file, `parts` holds the components and `tokenizers` the
 * locations of their tokenizers; for a folder both are empty.
 */
export interface PipelineFolder {
  readonly path: string;
  readonly className: string;
  readonly components: ReadonlySet<string>;
  /** Everything else in model_index.json. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly parts: ReadonlyMap<string, FolderPart>;
  readonly tokenizers: ReadonlyMap<string, TokenizerLocation>;
}

/** A component without a subfolder of its own. */
export interface FolderPart {
  /** The content of its JSON file. */
  readonly config: unknown;
  /** Null for a scheduler. */
  readonly weights: WeightSource | null;
}

/** Where to read a tokenizer that has no subfolder in the pipeline. */
export interface TokenizerLocation {
  readonly folder: string;
  /** CLIP's pad token, if `folder` has only a vocabulary. */
  readonly pad?: string | undefined;
  /** Rows of the text encoder's embedding table, to check that the tokenizer belongs to it. */
  readonly vocabularySize: number;
}

export async function openPipelineFolder(path: string): Promise<PipelineFolder> {
  const index = await readJson(join(path, "model_index.json"), modelIndexSchema, (reason) => {
    return `${path} is not a diffusers pipeline folder: ${reason}`;
  });
  const isComponent = (value: unknown) => componentSchema.safeParse(value).success;
  const entries = Object.entries(index);
  return {
    path,
    className: index._class_name,
    components: new Set(entries.filter(([, value]) => isComponent(value)).map(([name]) => name)),
    settings: Object.fromEntries(entries.filter(([, value]) => !isComponent(value))),
    parts: new Map(),
    tokenizers: new Map(),
  };
}

/** Parses `<pipeline>/<component>/<file>` with `schema`. Errors are InputErrors that name file and key. */
export async function readComponentJson<T>(
  folder: PipelineFolder,
  component: string,
  file: string,
  schema: z.ZodType<T>,
): Promise<T> {
  const part = folder.parts.get(component);
  if (part !== undefined) return parsed(part.config, schema, (reason) => `${folder.path} (${component}): ${reason}`);
  const path = join(folder.path, component, file);
  return readJson(path, schema, (reason) => `${path}: ${reason}`);
}

/** Opens the CLIP tokenizer of a component such as `tokenizer_2`. */
export async function openPipelineClip(folder: PipelineFolder, component: string): Promise<TextTokenizer> {
  const place = folder.tokenizers.get(component);
  if (place === undefined) return openClipTokenizer(join(folder.path, component));
  return requireKnown(folder, place, await openClipTokenizer(place.folder, place.pad));
}

/** Opens the T5 tokenizer of a component; pads and truncates prompts to `length` ids. */
export async function openPipelineT5(
  folder: PipelineFolder,
  component: string,
  length: number,
): Promise<TextTokenizer> {
  const place = folder.tokenizers.get(component);
  if (place === undefined) return openT5Tokenizer(join(folder.path, component), length);
  return requireKnown(folder, place, await openT5Tokenizer(place.folder, length));
}

/** Throws an InputError if the tokenizer has ids outside the encoder's embedding table. */
function requireKnown({ path }: PipelineFolder, place: TokenizerLocation, tokenizer: TextTokenizer): TextTokenizer {
  if (tokenizer.largestId < place.vocabularySize) return tokenizer;
  throw new InputError(
    `${place.folder} does not fit ${path}: it has ids up to ${tokenizer.largestId}, the text encoder knows ${place.vocabularySize}`,
  );
}

/** Parses a JSON file; `describe` turns the reason of a failure into the message of an InputError. */
export async function readJson<T>(
  file: string,
  schema: z.ZodType<T>,
  describe: (reason: string) => string,
): Promise<T> {
  let json: unknown;
  try {
    json = parsePythonJson(await readFile(file, "utf8"));
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new InputError(describe(missing ? `${file} does not exist` : messageOf(error)), { cause: error });
  }
  return parsed(json, schema, describe);
}

function parsed<T>(json: unknown, schema: z.ZodType<T>, describe: (reason: string) => string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new InputError(describe(`"${issue?.path.join(".")}": ${issue?.message}`));
}
