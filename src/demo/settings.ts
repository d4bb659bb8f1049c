/** @file What the demo does by default; docs/experiments tells where the numbers come from. */

import { basename } from "node:path";
import type { ReportSettings } from "../evaluation/report/index.js";
import type { RunSpecInput } from "../runs/run-spec.js";
import type { Prompt } from "../scenes/prompts.js";

export const demoSettings = {
  /** Soft tokens in each of the first layers. */
  layers: 5,
  tokens: 4,
  buckets: 100,
  temperature: 0.07,
  scale: 4,
  /** The own error's share in the loss, as the authors weight it for Stable Diffusion 1.5. */
  dweight: 10,
  /** Images per training step, and steps. */
  batch: 8,
  steps: 300,
  learningRate: 1e-2,
  seed: 0,
  /** Training scenes. */
  images: 1024,
  /** Sampling, for base and tuned alike; this guidance scale is the best for the base. */
  samplingSteps: 16,
  guidanceScale: 6,
  samplingBatch: 20,
  /** Held-out prompts, a multiple of the six categories. */
  prompts: 612,
  promptSeed: 1,
  /** Held-out scenes with captions, for the similarity matrix and the mutual information. */
  heldOutPairs: 384,
  similarityPairs: 24,
};
export type DemoSettings = Readonly<typeof demoSettings>;

export interface DemoOptions {
  /** Pipeline folder. */
  readonly model: string;
  readonly out: string;
  readonly settings: DemoSettings;
  /** How the demo was called, for the report. */
  readonly commandLine: string;
  readonly version: string;
}

/** A smaller run for tests of the demo itself. */
export const quickSettings: DemoSettings = {
  ...demoSettings,
  batch: 4,
  steps: 4,
  images: 24,
  samplingSteps: 4,
  samplingBatch: 6,
  prompts: 12,
  heldOutPairs: 6,
  similarityPairs: 6,
};

/** Images of these many prompts are generated while training goes on, so that one sees what changes. */
const samplePrompts = 6;

export function trainingSpec(
  settings: DemoSettings,
  { data, out, prompts }: { readonly data: string; readonly out: string; readonly prompts: readonly Prompt[] },
): RunSpecInput {
  const { layers, tokens, buckets, temperature, scale, dweight, batch, steps, learningRate, seed } = settings;
  return {
    ...{ data: [data], out, layers, tokens, buckets, temperature, scale, dweight, batch, steps, learningRate, seed },
    ...{ checkpoints: "never", repack: "never", saveEvery: 0 },
    samplePrompts: prompts.slice(0, samplePrompts).map(({ prompt }) => prompt),
    sampleEvery: Math.ceil(steps / 4),
    sampleSeed: seed,
    sampleSteps: settings.samplingSteps,
    sampleGuidance: settings.guidanceScale,
  };
}

/** For the report. */
export function describeSettings(settings: DemoSettings, tokenFile: string): ReportSettings {
  const { layers, tokens, steps, batch, learningRate, temperature, scale, dweight, prompts, promptSeed, seed } =
    settings;
  return {
    tokens: basename(tokenFile),
    guidanceScale: settings.guidanceScale,
    steps: settings.samplingSteps,
    seeds: [seed],
    further: [
      { name: "soft tokens", value: `${layers} layers, ${tokens} each` },
      { name: "training", value: `${steps} steps of ${batch} images, learning rate ${learningRate}` },
      { name: "objective", value: `SoftREPA, temperature ${temperature}, scale ${scale}, dweight ${dweight}` },
      {
        name: "prompts",
        value: `${prompts} held-out ones, seed ${promptSeed}; prompt i starts from the noise of seed ${seed} + i`,
      },
    ],
  };
}
