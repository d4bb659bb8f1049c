/** @file Lists of prompts: a text file with one a line, or JSON lines as GenEval's evaluation_metadata.jsonl has them. */

import { extname } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { parsePythonJson } from "../../core/python-json.js";
import { readListFile } from "../../data/text-file.js";

export interface ListedPrompt {
  readonly prompt: string;
  readonly category?: string | undefined;
}

const lineSchema = z.looseObject({
  prompt: z.string().min(1),
  category: z.string().min(1).optional(),
  /** GenEval's name for it. */
  tag: z.string().min(1).optional(),
});

export async function readPromptList(file: string): Promise<ListedPrompt[]> {
  const lines = await readListFile(file, "prompt");
  if (extname(file).toLowerCase() !== ".jsonl") return lines.map((prompt) => ({ prompt }));
  return lines.map((line, index) => {
    const where = `${file} entry ${index + 1}`;
    let value: unknown;
    try {
      value = parsePythonJson(line);
    } catch (error) {
      throw new InputError(`${where}: broken JSON (${messageOf(error)})`, { cause: error });
    }
    const parsed = lineSchema.safeParse(value);
    if (!parsed.success)
      throw new InputError(`${where} has no prompt (a string): ${messageOf(parsed.error.issues[0]?.message)}`);
    const { prompt, category, tag } = parsed.data;
    return { prompt, category: category ?? tag };
  });
}
