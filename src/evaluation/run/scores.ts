/** @file What a run measured, image by image: scores.json, from which reports and comparisons are made, and scores.csv. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";
import { isFile, statOrNull } from "../../core/missing.js";
import { readJsonFile } from "../json-file.js";
import { metricSchema } from "../paired-comparison.js";
import { withTodaysNames } from "./earlier-scores.js";

const text = z.string().min(1);

const scoredImageSchema = z.strictObject({
  /** From the run's folder; null where the image is elsewhere. */
  file: text.nullable(),
  prompt: z.string(),
  seed: z.int().nonnegative(),
  category: text,
  /** By metric; a metric that did not run has none. */
  scores: z.record(z.string(), z.number()),
  /** The verifier's, or GenEval's; may be empty. */
  reason: z.string(),
});
export type ScoredImage = z.infer<typeof scoredImageSchema>;

const scoredVariantSchema = z.strictObject({ name: text, images: z.array(scoredImageSchema).min(1) });
export type ScoredVariant = z.infer<typeof scoredVariantSchema>;

/** A number of a whole set, such as FID. */
const setScoreSchema = z.strictObject({
  metric: text,
  variant: text,
  value: z.number(),
  images: z.int().positive(),
  /** What it was compared with. */
  reference: text,
  /** A warning; may be empty. */
  remark: z.string(),
});
export type SetScore = z.infer<typeof setScoreSchema>;

const scoresSchema = z.strictObject({
  format: z.literal("softrepa-scores"),
  formatVersion: z.literal(1),
  /** Of single images. */
  metrics: z.array(
    metricSchema.extend({
      /** A number of an image and its prompt, or of how far it is from the first variant's. */
      of: z.enum(["image", "distance to the first variant"]),
      /** Files that the metric rests on; may be empty. */
      weights: z.string(),
    }),
  ),
  variants: z.array(scoredVariantSchema).min(1),
  sets: z.array(setScoreSchema),
  notRun: z.array(z.strictObject({ name: text, reason: text })),
});
export type EvaluationScores = z.infer<typeof scoresSchema>;
export type ScoredMetric = EvaluationScores["metrics"][number];

const fileSchema = z.preprocess(withTodaysNames, scoresSchema);

const jsonName = "scores.json";

/** Writes both files into `folder`. */
export async function writeScores(folder: string, scores: EvaluationScores): Promise<{ json: string; csv: string }> {
  const files = { json: join(folder, jsonName), csv: join(folder, "scores.csv") };
  await writeFileAtomic(files.json, `${JSON.stringify(scoresSchema.parse(scores))}\n`);
  await writeFileAtomic(files.csv, scoresCsv(scores));
  return files;
}

/** Reads the scores of a run's folder. */
export async function readScores(folder: string): Promise<EvaluationScores> {
  const found = await statOrNull(folder);
  if (found === null) throw new InputError(`no such file or folder: ${folder}`);
  const file = found.isDirectory() ? join(folder, jsonName) : folder;
  if (found.isDirectory() && !(await isFile(file))) {
    throw new InputError(`${folder} has no ${jsonName}: it is no folder that softrepa eval wrote`);
  }
  return readJsonFile(file, fileSchema);
}

/** A line for each image; a metric that did not run leaves its cell empty. */
export function scoresCsv({ metrics, variants }: EvaluationScores): string {
  const names = metrics.map(({ name }) => name);
  const lines = variants.flatMap(({ name, images }) =>
    images.map(({ file, prompt, seed, category, scores, reason }) => [
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
