/** @file JSON files, checked as they are read. */

import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { InputError, messageOf } from "../core/errors.js";
import { parsePythonJson } from "../core/python-json.js";

/** The value of a JSON file in the form that `schema` describes, or one line that says where it is not. */
export async function readJsonFile<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  let value: unknown;
  try {
    value = parsePythonJson(await readFile(file, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new InputError(`${file} is not JSON: ${messageOf(error)}`, { cause: error });
    throw new InputError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue.path.length > 0 ? `"${issue.path.join(".")}": ` : "";
  throw new InputError(`${file}: ${place}${issue.message}`);
}
