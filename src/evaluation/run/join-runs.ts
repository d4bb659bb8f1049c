/** @file Several runs as one, so that they can be compared: the same prompts and seeds, and the metrics that all of them have. */

import { existsSync, realpathSync } from "node:fs";
import { basename, extname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { UsageError } from "../../core/errors.js";
import { at } from "../../core/lists.js";
import { isFolder } from "../../core/missing.js";
import { readGenEval } from "./geneval.js";
import { type EvaluationScores, readScores } from "./scores.js";

/** One run's folder (or GenEval's .jsonl) as the user named it, with its scores. */
export interface NamedRun {
  readonly path: string;
  readonly scores: EvaluationScores;
}

/** Reads a folder that `softrepa eval` wrote, or results of GenEval. */
export async function readRun(path: string): Promise<NamedRun> {
  return { path, scores: extname(path) === ".jsonl" ? await readGenEval(path) : await readScores(path) };
}

/**
 * All variants of all runs, the first run's first as the baseline. Variants are called as their run, those of a run with several
 * `run/variant`. A metric that a run lacks is named as not run; numbers of whole sets are kept as they are.
 */
export async function joinRuns(runs: readonly NamedRun[], folder: string): Promise<EvaluationScores> {
  const names = runNames(runs.map(({ path }) => path));
  const joined = await Promise.all(
    runs.map(async ({ path, scores }, index) => {
      const home = (await isFolder(path)) ? path : join(path, "..");
      const run = at(names, index);
      const nameOf = (variant: string) => (scores.variants.length === 1 ? run : `${run}/${variant}`);
      return {
        variants: scores.variants.map(({ name, images }) => ({
          name: nameOf(name),
          images: images.map((image) => ({
            ...image,
            file: ownFile(home, image.file, folder),
          })),
        })),
        sets: scores.sets.map((score) => ({ ...score, variant: nameOf(score.variant) })),
      };
    }),
  );
  const has = ({ scores }: NamedRun, name: string) => scores.metrics.some((metric) => metric.name === name);
  const everywhere = (name: string) => runs.every((run) => has(run, name));
  const metrics = runs.flatMap(({ scores }) => scores.metrics).filter(({ of }) => of === "image");
  const known = new Map(metrics.map((metric) => [metric.name, metric]));
  const missing = [...known.keys()].filter((name) => !everywhere(name));
  return {
    format: "softrepa-scores",
    formatVersion: 1,
    metrics: [...known.values()].filter(({ name }) => everywhere(name)),
    variants: joined.flatMap(({ variants }) => variants),
    sets: joined.flatMap(({ sets }) => sets),
    notRun: missing.map((name) => {
      const without = names.filter((_, index) => !has(at(runs, index), name));
      return { name, reason: `${without.join(", ")} ${without.length === 1 ? "has" : "have"} no scores of it` };
    }),
  };
}

/** The image's path from `folder`; null unless it is below `home`, since scores.json could name any file of the disk. */
function ownFile(home: string, file: string | null, folder: string): string | null {
  if (file === null) return null;
  const path = resolve(home, file);
  // A link inside of the folder may lead out of it. A path that does not exist is checked by its name.
  const real = existsSync(path) ? realpathSync(path) : path;
  const root = existsSync(path) ? realpathSync(home) : resolve(home);
  const inside = relative(root, real);
  const leaves = inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside);
  return leaves ? null : relative(folder, path);
}

function runNames(paths: readonly string[]): string[] {
  const short = paths.map((path) => basename(resolve(path)).replace(/\.jsonl$/, ""));
  const twice = short.find((name, index) => short.indexOf(name) !== index);
  if (twice === undefined) return short;
  const whole = new Set(paths.map((path) => resolve(path)));
  if (whole.size < paths.length) throw new UsageError(`the run ${JSON.stringify(twice)} is given twice`);
  return [...paths];
}
