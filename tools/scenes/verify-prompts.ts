/** @file Images of prompts of scenes, verified as they come and not written. */

import type { DiffusionPipeline } from "#softrepa/pipelines/pipeline.js";
import { generate } from "#softrepa/sampling/generate.js";
import type { Prompt } from "#softrepa/scenes/prompts.js";
import { verify } from "#softrepa/scenes/verify.js";
import type { SoftTokens } from "#softrepa/softtokens/softtokens.js";

export interface SamplingSettings {
  readonly steps: number;
  readonly guidanceScale: number;
  /** Images sampled together. */
  readonly batch: number;
  /** Prompt i starts from the noise of seed + i. */
  readonly seed: number;
}

export interface VerifiedPrompt {
  readonly category: string;
  readonly correct: boolean;
}

/** One image per prompt, in order. */
export async function verifyPrompts(
  pipeline: DiffusionPipeline,
  softTokens: SoftTokens | null,
  prompts: readonly Prompt[],
  { seed, ...sampling }: SamplingSettings,
): Promise<VerifiedPrompt[]> {
  const side = pipeline.defaultSize;
  const jobs = prompts.map((prompt, index) => ({ ...prompt, seed: seed + index }));
  const request = { ...sampling, jobs, negative: "", width: side, height: side, softTokens, strength: 1 };
  const verified: VerifiedPrompt[] = [];
  for await (const { job, image } of generate(pipeline, request)) {
    // What an image file can hold.
    const clamped = { ...image, data: image.data.map((x) => Math.max(-1, Math.min(1, x))) };
    verified.push({ category: job.category, correct: verify(clamped, job.expectation).correct });
  }
  return verified;
}

/** Share of right images: of all, and by category. */
export function accuracies(verified: readonly VerifiedPrompt[]): Record<string, number> {
  const share = (chosen: readonly VerifiedPrompt[]) => chosen.filter(({ correct }) => correct).length / chosen.length;
  const categories = [...new Set(verified.map(({ category }) => category))];
  return Object.fromEntries([
    ["all", share(verified)],
    ...categories.map((category) => [category, share(verified.filter((each) => each.category === category))]),
  ]);
}
