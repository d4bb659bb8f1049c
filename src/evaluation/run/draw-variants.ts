/** @file Pictures of the same prompts and seeds by the plain pipeline and with soft tokens, as files with their settings. */

import { basename, join, resolve } from "node:path";
import { writeFileAtomic } from "../../core/files.js";
import { a1111Parameters } from "../../data/a1111.js";
import { savePng } from "../../data/png.js";
import type { DiffusionPipeline, TruncatedPrompt } from "../../pipelines/pipeline.js";
import { generate } from "../../sampling/generate.js";
import type { SoftTokens } from "../../softtokens/softtokens.js";
import type { Expectation } from "../../world/verify.js";
import { noCategory } from "./picture-set.js";

/** One picture to draw, by every variant. */
export interface DrawnPrompt {
  readonly prompt: string;
  readonly seed: number;
  readonly category?: string | undefined;
  readonly expectation?: Expectation | undefined;
}

export interface DrawOptions {
  /** Gets a folder for each variant. */
  readonly folder: string;
  readonly prompts: readonly DrawnPrompt[];
  readonly tokens: { readonly file: string; readonly softTokens: SoftTokens; readonly strength: number } | null;
  /** How the model is called in the pictures' settings. */
  readonly model: string;
  readonly negative: string;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly batch: number;
  /** Copy the denoiser's weights into faster layouts: less time for many pictures, more memory. */
  readonly repackWeights?: boolean | undefined;
  readonly signal?: AbortSignal;
  readonly onProgress?: (variant: string, done: number, total: number) => void;
  readonly onTruncated?: (cut: TruncatedPrompt) => void;
}

/** The folders, `base` first; `tuned` is there where there are tokens. Each has a metadata.jsonl. */
export async function drawVariants(pipeline: DiffusionPipeline, options: DrawOptions): Promise<string[]> {
  const { folder, prompts, tokens, model, negative, steps, guidanceScale, batch, signal } = options;
  const side = pipeline.defaultSize;
  const names = tokens === null ? ["base"] : ["base", "tuned"];
  const digits = String(prompts.length).length;
  const jobs = prompts.map((prompt, index) => ({ ...prompt, name: `${String(index + 1).padStart(digits, "0")}.png` }));
  for (const name of names) {
    const used = name === "tuned" ? tokens : null;
    const pictures = generate(pipeline, {
      jobs,
      negative,
      steps,
      guidanceScale,
      width: side,
      height: side,
      softTokens: used?.softTokens ?? null,
      strength: used?.strength ?? 1,
      batch,
      repackWeights: options.repackWeights,
      ...(signal && { signal }),
      onProgress: (done, total) => options.onProgress?.(name, done, total),
      ...(options.onTruncated && name === "base" && { onTruncated: options.onTruncated }),
    });
    const shared = { model, negative, steps, guidance: guidanceScale, width: side, height: side };
    const extra = used === null ? {} : { tokens: basename(resolve(used.file)), strength: used.strength };
    for await (const { job, image } of pictures) {
      const { prompt, seed } = job;
      const sampler = pipeline.scheduler.title;
      await savePng(join(folder, name, job.name), image, {
        parameters: a1111Parameters({
          ...shared,
          prompt,
          seed,
          sampler,
          extra: used === null ? {} : { "Soft tokens": extra.tokens ?? "", Strength: used.strength },
        }),
        softrepa: JSON.stringify({ prompt, seed, ...shared, ...extra, sampler }),
      });
    }
    const lines = jobs.map(({ name: file, prompt, seed, category, expectation }) =>
      JSON.stringify({ file_name: file, text: prompt, seed, category: category ?? noCategory, expectation }),
    );
    await writeFileAtomic(join(folder, name, "metadata.jsonl"), `${lines.join("\n")}\n`);
  }
  return names.map((name) => join(folder, name));
}
