/** @file The options of a run that goes on: those in its folder, with what may change. */

import { join } from "node:path";
import { UsageError } from "../core/errors.js";
import { type RunOptions, withFallback } from "./complete-spec.js";
import { readConfigFile } from "./config/read-config.js";

/** Nothing that a run's numbers depend on. */
const changeableOptions: ReadonlySet<string> = new Set([
  ...["steps", "epochs", "saveEvery", "keepLast", "best", "logEvery", "tensorboard", "validateEvery", "sampleEvery"],
  ...["engine", "provider", "precision", "threads", "captionWindow", "latentsCacheLimit"],
]);

/** @throws UsageError where one of the options that are given, by their names, is not to change */
export function requireResumable(given: readonly string[]): void {
  const fixed = given.find((name) => !changeableOptions.has(name));
  if (fixed === undefined) return;
  const instead = "a run goes on as it began (a new one can begin with `initTokens`)";
  throw new UsageError(`\`${fixed}\` cannot be given with \`resume\`: ${instead}`);
}

/** The options of the run in `folder`, which may have been moved, with `changes`. */
export async function resumedOptions(folder: string, changes: RunOptions): Promise<RunOptions> {
  return { ...withFallback(changes, await readConfigFile(join(folder, "config.yaml"))), out: folder };
}
