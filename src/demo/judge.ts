/** @file Pictures of prompts, each judged by the verifier. */

import type { FloatTensor } from "../core/tensor.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { generate } from "../sampling/generate.js";
import type { Prompt } from "../scenes/prompts.js";
import type { Category } from "../scenes/scene.js";
import { verify } from "../scenes/verify.js";
import type { SoftTokens } from "../softtokens/softtokens.js";

export interface SamplingSettings {
  readonly steps: number;
  readonly guidanceScale: number;
  /** Pictures sampled together. */
  readonly batch: number;
  /** Prompt i starts from the noise of seed + i. */
  readonly seed: number;
}

export interface JudgedPicture {
  readonly prompt: string;
  readonly category: Category;
  readonly seed: number;
  readonly image: FloatTensor;
  readonly correct: boolean;
  /** What is wrong, or "as expected". */
  readonly reason: string;
}

export interface JudgeHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** One picture a prompt, in order. */
export async function judge(
  pipeline: DiffusionPipeline,
  softTokens: SoftTokens | null,
  prompts: readonly Prompt[],
  { steps, guidanceScale, batch, seed }: SamplingSettings,
  { signal, onProgress }: JudgeHooks = {},
): Promise<JudgedPicture[]> {
  const pictures = generate(pipeline, {
    jobs: prompts.map((prompt, index) => ({ ...prompt, seed: seed + index })),
    negative: "",
    steps,
    guidanceScale,
    width: pipeline.defaultSize,
    height: pipeline.defaultSize,
    softTokens,
    strength: 1,
    batch,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  const judged: JudgedPicture[] = [];
  for await (const { job, image } of pictures) {
    const { correct, reason } = verify(clamped(image), job.expectation);
    judged.push({ prompt: job.prompt, category: job.category, seed: job.seed, image, correct, reason });
  }
  return judged;
}

/** What a picture file can hold. */
function clamped(image: FloatTensor): FloatTensor {
  return { ...image, data: image.data.map((x) => Math.max(-1, Math.min(1, x))) };
}

/** Share of right pictures: of all, and by category. */
export function accuracies(pictures: readonly JudgedPicture[]): Record<string, number> {
  const share = (chosen: readonly JudgedPicture[]) => chosen.filter(({ correct }) => correct).length / chosen.length;
  const categories = [...new Set(pictures.map(({ category }) => category))];
  return Object.fromEntries([
    ["all", share(pictures)],
    ...categories.map((category) => [category, share(pictures.filter((picture) => picture.category === category))]),
  ]);
}
