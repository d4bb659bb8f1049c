/**
 * @file Results of GenEval as its evaluate_images.py writes them (arXiv 2310.11513): one JSON object per line and image. Its detector is not part
 * of this package; its verdicts are compared like any others.
 */

import { basename, dirname, extname } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { parsePythonJson } from "../../core/python-json.js";
import { readTextFile } from "../../data/text-file.js";
import { accuracy } from "../paired-comparison.js";
import type { EvaluationScores } from "./scores.js";

const lineSchema = z.looseObject({
  /** ".../00012/samples/0003.png": folder of the prompt, number of the image. */
  filename: z.string().min(1),
  tag: z.string().min(1),
  prompt: z.string(),
  correct: z.boolean(),
  reason: z.string().default(""),
});

/** The verdicts of one file as one variant's scores; its name is the file's without ending. */
export async function readGenEval(file: string): Promise<EvaluationScores> {
  const images = (await readTextFile(file)).split(/\r\n|\n/).flatMap((source, index) => {
    if (source.trim() === "") return [];
    const where = `${file} line ${index + 1}`;
    let value: unknown;
    try {
      value = parsePythonJson(source);
    } catch (error) {
      throw new InputError(`${where}: broken JSON (${messageOf(error)})`, { cause: error });
    }
    const parsed = lineSchema.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new InputError(`${where} is no result of GenEval: "${issue?.path.join(".")}": ${issue?.message}`);
    }
    const { filename, tag, prompt, correct, reason } = parsed.data;
    return [
      {
        file: null,
        prompt,
        seed: seedOf(filename),
        category: tag,
        scores: { [accuracy.name]: correct ? 1 : 0 },
        reason,
      },
    ];
  });
  if (images.length === 0) throw new InputError(`${file} holds no result`);
  return {
    format: "softrepa-scores",
    formatVersion: 1,
    metrics: [{ ...accuracy, of: "image", weights: "GenEval's detector" }],
    variants: [{ name: basename(file, extname(file)), images }],
    sets: [],
    notRun: [],
  };
}

/** GenEval numbers the images of a prompt; the same prompt may stand in two of its folders, so the folder counts too. */
function seedOf(filename: string): number {
  const parts = filename.split(/[/\\]/).join("/");
  const number = Number.parseInt(basename(parts, extname(parts)), 10);
  const above = dirname(parts);
  const prompt = Number.parseInt(basename(basename(above) === "samples" ? dirname(above) : above), 10);
  return (Number.isNaN(prompt) ? 0 : prompt * 10000) + (Number.isNaN(number) ? 0 : number);
}
