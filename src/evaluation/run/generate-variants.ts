/** @file Images of the same prompts and seeds by the plain pipeline and with soft tokens, as files with their settings. */

import { join } from "node:path";
import { writeFileAtomic } from "../../core/files.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { type ImageFileJob, type ImageRequest, writeImages } from "../../sampling/image-files.js";
import { noCategory } from "./image-set.js";

/** One image to generate, by every variant. */
export interface VariantPrompt {
  readonly prompt: string;
  readonly seed: number;
  readonly category?: string | undefined;
  /** Further fields of the image's line in metadata.jsonl, which a metric may read. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

export interface GenerateVariantsOptions
  extends Omit<ImageRequest<ImageFileJob>, "jobs" | "prompts" | "width" | "height" | "scheduler" | "onProgress"> {
  /** Gets a folder for each variant. */
  readonly folder: string;
  readonly prompts: readonly VariantPrompt[];
  readonly onProgress?: (variant: string, done: number, total: number) => void;
}

/** The folders, `base` first; `tuned` is there where there are tokens. Each has a metadata.jsonl. */
export async function generateVariants(
  pipeline: DiffusionPipeline,
  options: GenerateVariantsOptions,
): Promise<string[]> {
  const { folder, prompts, tokens, onTruncated, onProgress, ...request } = options;
  const names = tokens === null ? ["base"] : ["base", "tuned"];
  const digits = String(prompts.length).length;
  const jobs = prompts.map((prompt, index) => ({ ...prompt, name: `${String(index + 1).padStart(digits, "0")}.png` }));
  for (const name of names) {
    const images = writeImages(pipeline, {
      ...request,
      jobs: jobs.map((job) => ({ ...job, file: join(folder, name, job.name) })),
      tokens: name === "tuned" ? tokens : null,
      onProgress: (done, total) => onProgress?.(name, done, total),
      ...(onTruncated && name === "base" && { onTruncated }),
    });
    for await (const _ of images);
    const lines = jobs.map(({ name: file, prompt, seed, category, metadata }) =>
      JSON.stringify({ ...metadata, file_name: file, text: prompt, seed, category: category ?? noCategory }),
    );
    await writeFileAtomic(join(folder, name, "metadata.jsonl"), `${lines.join("\n")}\n`);
  }
  return names.map((name) => join(folder, name));
}
