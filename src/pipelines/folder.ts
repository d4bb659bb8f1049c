/** @file Reading a diffusers pipeline folder: model_index.json and the configurations of its components. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../core/errors.js";

/** model_index.json: the pipeline's class, and [library, class] for each component that is there. */
const modelIndexSchema = z.looseObject({ _class_name: z.string() });
const componentSchema = z.tuple([z.string(), z.string()]);

/** A pipeline folder with its class, the names of the components that it holds, and its settings. */
export interface PipelineFolder {
  readonly path: string;
  readonly className: string;
  readonly components: ReadonlySet<string>;
  /** Everything else in model_index.json. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export async function openPipelineFolder(path: string): Promise<PipelineFolder> {
  const index = await readJson(join(path, "model_index.json"), modelIndexSchema, (reason) => {
    return `${path} is no diffusers pipeline folder: ${reason}`;
  });
  const isComponent = (value: unknown) => componentSchema.safeParse(value).success;
  const entries = Object.entries(index);
  return {
    path,
    className: index._class_name,
    components: new Set(entries.filter(([, value]) => isComponent(value)).map(([name]) => name)),
    settings: Object.fromEntries(entries.filter(([, value]) => !isComponent(value))),
  };
}

/** Parses `<pipeline>/<component>/<file>` by `schema`. */
export function readComponentJson<T>(folder: PipelineFolder, component: string, file: string, schema: z.ZodType<T>) {
  const path = join(folder.path, component, file);
  return readJson(path, schema, (reason) => `${path}: ${reason}`);
}

/** Python writes numbers that JSON has not, such as the -Infinity of some schedulers, which diffusers reads; null here. */
function parsePythonJson(text: string): unknown {
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) => (token[0] === '"' ? token : "null")));
}

/** Parses a JSON file; `describe` makes one line of what is wrong with it. */
async function readJson<T>(file: string, schema: z.ZodType<T>, describe: (reason: string) => string): Promise<T> {
  let json: unknown;
  try {
    json = parsePythonJson(await readFile(file, "utf8"));
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new InputError(describe(missing ? `${file} does not exist` : messageOf(error)), { cause: error });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InputError(describe(`"${issue.path.join(".")}": ${issue.message}`));
}
