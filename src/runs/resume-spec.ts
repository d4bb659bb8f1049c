/** @file The options of a resumed run: those in its folder, with permitted changes. */

import { join } from "node:path";
import { UsageError } from "../core/errors.js";
import { type RunOptions, withFallback } from "./complete-spec.js";
import { readConfigFile } from "./config/read-config.js";

/** Options that do not affect the trained values. */
const changeableOptions: ReadonlySet<string> = new Set([
  ...["steps", "epochs", "saveEvery", "keepLast", "best", "logEvery", "tensorboard", "validateEvery", "sampleEvery"],
  ...["engine", "provider", "precision", "threads", "captionWindow", "latentsCacheLimit"],
]);

/** @throws UsageError if one of the named options may not change */
export function requireResumable(given: readonly string[]): void {
  const fixed = given.find((name) => !changeableOptions.has(name));
  if (fixed === undefined) return;
  const instead = "a resumed run keeps its settings (start a new run with `initTokens` instead)";
  throw new UsageError(`\`${fixed}\` cannot be given with \`resume\`: ${instead}`);
}

/** The options of the run in `folder`, which may have been moved, overridden by `changes`. */
export async function resumedOptions(folder: string, changes: RunOptions): Promise<RunOptions> {
  return { ...withFallback(changes, await readConfigFile(join(folder, "config.yaml"))), out: folder };
}
