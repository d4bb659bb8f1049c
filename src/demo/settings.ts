/** @file What the demo does by default; docs/experiments tells where the numbers come from. */

export const demoSettings = {
  /** Soft tokens in each of the first layers. */
  layers: 5,
  tokens: 4,
  buckets: 100,
  width: "projected",
  temperature: 0.07,
  scale: 4,
  /** The own error's share in the loss, as the authors weight it for Stable Diffusion 1.5. */
  dweight: 10,
  /** Images a training step, and steps. */
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
} as const;

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

export type DemoSettings = {
  readonly [K in keyof typeof demoSettings]: (typeof demoSettings)[K] extends number
    ? number
    : (typeof demoSettings)[K];
};

export interface DemoOptions {
  /** Pipeline folder. */
  readonly model: string;
  readonly out: string;
  readonly settings: DemoSettings;
  /** How the demo was called, for the report. */
  readonly commandLine: string;
  readonly version: string;
}
