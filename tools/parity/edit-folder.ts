/** @file A folder of goldens of image editing, `kind` "edits" in its meta.json. */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { messageOf } from "#softrepa/core/errors.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { checkEdit, checkInversionErrors, checkStrength } from "./check-editing.js";
import { openEditSubject } from "./edit-case.js";
import { readJson } from "./golden-file.js";
import type { Tally } from "./tally.js";

export async function isEditFolder(folder: string): Promise<boolean> {
  if (!existsSync(join(folder, "meta.json"))) return false;
  const { kind } = await readJson(folder, "meta.json", z.object({ kind: z.string().optional() }));
  return kind === "edits";
}

/** Each case is a safetensors file; the JSON file of its name has its settings. */
export async function checkEditFolder(
  folder: string,
  files: readonly string[],
  engine: Engine,
  tally: Tally,
): Promise<void> {
  const name = basename(folder);
  const subject = await openEditSubject(folder, engine).catch(messageOf);
  for (const golden of files.filter((file) => /\.safetensors$|^strength\.json$|^invert-errors\.json$/.test(file))) {
    if (typeof subject === "string") tally.report(name, `${golden.padEnd(44)} FAIL (${subject})`);
    else if (golden === "strength.json") await tally.attempt(name, golden, checkStrength(subject, golden));
    else if (golden === "invert-errors.json") await tally.attempt(name, golden, checkInversionErrors(subject, golden));
    else await tally.attempt(name, golden, checkEdit(subject, golden));
  }
  if (typeof subject === "string") return;
  await subject.cache.close();
  await subject.pipeline.close();
}
