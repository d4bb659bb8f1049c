/** @file What a run measured, picture by picture: scores.json, from which reports and comparisons are made, and scores.csv. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";
import { readJsonFile } from "../json-file.js";
import { metricSchema } from "../paired-comparison.js";

const text = z.string().min(1);

const scoredPictureSchema = z.strictObject({
  /** From the run's folder; null where the picture is elsewhere. */
  file: text.nullable(),
  prompt: z.string(),
  seed: z.int().nonnegative(),
  category: text,
  /** By metric; a metric that did not run has none. */
  scores: z.record(z.string(), z.number()),
  /** The verifier's, or GenEval's; may be empty. */
  reason: z.string(),
});
export type ScoredPicture = z.infer<typeof scoredPictureSchema>;

const scoredVariantSchema = z.strictObject({ name: text, pictures: z.array(scoredPictureSchema).min(1) });
export type ScoredVariant = z.infer<typeof scoredVariantSchema>;

/** A number of a whole set, such as FID. */
const setScoreSchema = z.strictObject({
  metric: text,
  variant: text,
  value: z.number(),
  pictures: z.int().positive(),
  /** What it was compared with. */
  reference: text,
  /** A warning; may be empty. */
  remark: z.string(),
});
export type SetScore = z.infer<typeof setScoreSchema>;

export const scoresSchema = z.strictObject({
  format: z.literal("softrepa-scores"),
  formatVersion: z.literal(1),
  /** Of single pictures. */
  metrics: z.array(
    metricSchema.extend({
      /** A number of a picture and its prompt, or of how far it is from the first variant's. */
      of: z.enum(["picture", "distance to the first variant"]),
      /** Files that the metric rests on; may be empty. */
      weights: z.string(),
    }),
  ),
  variants: z.array(scoredVariantSchema).min(1),
  sets: z.array(setScoreSchema),
  notRun: z.array(z.strictObject({ name: text, reason: text })),
});
export type Scores = z.infer<typeof scoresSchema>;
export type ScoredMetric = Scores["metrics"][number];

const jsonName = "scores.json";

/** Writes both files into `folder`. */
export async function writeScores(folder: string, scores: Scores): Promise<{ json: string; csv: string }> {
  const files = { json: join(folder, jsonName), csv: join(folder, "scores.csv") };
  await writeFileAtomic(files.json, `${JSON.stringify(scoresSchema.parse(scores))}\n`);
  await writeFileAtomic(files.csv, scoresCsv(scores));
  return files;
}

/** Reads the scores of a run's folder. */
export async function readScores(folder: string): Promise<Scores> {
  const found = await stat(folder).catch(() => null);
  if (found === null) throw new InputError(`no such file or folder: ${folder}`);
  const file = found.isDirectory() ? join(folder, jsonName) : folder;
  if (found.isDirectory() && !(await isFile(file))) {
    throw new InputError(`${folder} has no ${jsonName}: it is no folder that softrepa eval wrote`);
  }
  return readJsonFile(file, scoresSchema);
}

/** A line a picture; a metric that did not run leaves its cell empty. */
export function scoresCsv({ metrics, variants }: Scores): string {
  const names = metrics.map(({ name }) => name);
  const lines = variants.flatMap(({ name, pictures }) =>
    pictures.map(({ file, prompt, seed, category, scores, reason }) => [
      name,
      file ?? "",
      prompt,
      seed,
      category,
      ...names.map((metric) => scores[metric] ?? ""),
      reason,
    ]),
  );
  const header = ["variant", "file", "prompt", "seed", "category", ...names, "reason"];
  return [header, ...lines].map((cells) => `${cells.map(csvCell).join(",")}\r\n`).join("");
}

/** RFC 4180; what a spreadsheet would take for a formula gets an apostrophe in front. */
function csvCell(cell: string | number): string {
  if (typeof cell === "number") return String(cell);
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}
