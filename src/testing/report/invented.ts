/** @file A whole report of invented data that looks like a run's: images of the world, verdicts by its verifier. It has no tests of its own. */

import { Generator } from "../../core/random.js";
import { encodePng } from "../../data/png.js";
import { accuracy, comparePaired, type ItemScore, type Metric } from "../../evaluation/paired-comparison.js";
import { checkpointCurves } from "../../evaluation/report/checkpoint-curves.js";
import { headlineOf } from "../../evaluation/report/headline.js";
import type { GalleryItem, Report } from "../../evaluation/report/schema.js";
import { nearMiss } from "../../scenes/near-miss.js";
import { heldOutPrompts, type Prompt } from "../../scenes/prompts.js";
import { render } from "../../scenes/render.js";
import type { Category } from "../../scenes/scene.js";
import { verify } from "../../scenes/verify.js";

export const inventedClipScore: Metric = { name: "CLIPScore", kind: "number", better: "higher" };

export interface Invention {
  readonly prompts: number;
  readonly seedsEach: number;
  /** How much more often the tuned variant is right than the invented gain says; 0 leaves only noise, -1 turns it round. */
  readonly effect: number;
  readonly images: number;
}

export const wholeRun: Invention = { prompts: 120, seedsEach: 4, effect: 1, images: 48 };

const chances: Readonly<Record<Category, readonly [base: number, gain: number]>> = {
  single: [0.93, 0.04],
  two: [0.61, 0.16],
  counting: [0.58, -0.09],
  colours: [0.74, 0.12],
  position: [0.31, 0.15],
  attribution: [0.22, 0.17],
};

/** Right or wrong with the category's chance, each prompt being easier or harder than its category for every variant alike. */
function verdicts(prompts: readonly Prompt[], seedsEach: number, effect: number, seed: number): ItemScore[] {
  const random = new Generator(seed);
  const ease = new Generator(1);
  return prompts.flatMap(({ prompt, category }, index) => {
    const [base, gain] = chances[category];
    const chance = base + effect * gain + 0.3 * (ease.uniform() - 0.5);
    return Array.from({ length: seedsEach }, (_, draw) => ({
      prompt,
      category,
      seed: 1000 + index * seedsEach + draw,
      score: random.uniform() < chance ? 1 : 0,
    }));
  });
}

export async function inventedReport({ prompts: count, seedsEach, effect, images }: Invention): Promise<Report> {
  const prompts = heldOutPrompts(count, 3);
  const random = new Generator(5);
  const base = { name: "base", items: verdicts(prompts, seedsEach, 0, 11) };
  const tuned = { name: "tuned", items: verdicts(prompts, seedsEach, effect, 12) };
  const references = [
    { name: "prompt prefix", items: verdicts(prompts, seedsEach, 0.15 * effect, 13) },
    { name: "score matching only", items: verdicts(prompts, seedsEach, 0.3 * effect, 14) },
  ];
  const clip = [base, tuned].map(({ name, items }) => ({
    name,
    items: items.map((item) => ({ ...item, score: 0.26 + 0.04 * item.score + 0.03 * (random.uniform() - 0.5) })),
  }));
  const comparison = comparePaired([base, tuned, ...references], { metric: accuracy, apart: ["counting"] });
  const seeds = base.items.map(({ seed }) => seed);
  return {
    format: "softrepa-report",
    formatVersion: 1,
    title: "Soft tokens for the world of shapes",
    created: "2026-11-23T08:35:07Z",
    headline: headlineOf(comparison),
    comparisons: [comparison, comparePaired(clip, { metric: inventedClipScore, apart: ["counting"], resamples: 1000 })],
    notRun: [{ name: "ImageReward", reason: "its weights are not in models/" }],
    settings: {
      model: "demo/pipeline (SD3 layout, 1.9 M parameters)",
      tokens: "runs/shapes/tokens.safetensors (4 tokens in 3 layers, 100 time buckets)",
      guidanceScale: 4,
      steps: 28,
      seeds,
      commandLine: "softrepa eval --model demo/pipeline --tokens runs/shapes/tokens.safetensors --prompts held-out.txt",
      version: "0.1.0",
      further: [{ name: "Objective", value: "SoftREPA, scale 4, temperature 0.07" }],
    },
    cost: {
      phases: [
        { name: "training, 1,000 steps", seconds: 1284.2 },
        { name: "images, base", seconds: 311.6 },
        { name: "images, tuned", seconds: 318.9 },
        { name: "scores", seconds: 7.31 },
      ],
      peakMemoryBytes: 694e6,
      processor: "Intel Xeon (AVX-512)",
      threads: 2,
    },
    curves: inventedCurves(random),
    checkpoints: checkpointCurves(
      [0, 100, 250, 500, 1000].map((step, index) => ({
        step,
        items: verdicts(prompts, 1, effect * (1 - Math.exp(-step / 300)), 20 + index),
      })),
      base.items,
      accuracy,
    ),
    similarity: inventedSimilarity(prompts.slice(0, 16), random),
    information: inventedInformation(random),
    gallery: {
      metric: accuracy,
      variants: ["base", "tuned"],
      chosen: `the first seed of the first ${images} prompts`,
      items: await inventedImages(prompts.slice(0, images), seedsEach, [base.items, tuned.items], random),
    },
    notes: [
      "All numbers and images of this report are invented, to see the page.",
      "Counting is shown apart: contrastive training is known to make a model over-count.",
    ],
  };
}

function inventedCurves(random: Generator): Report["curves"] {
  const steps = Array.from({ length: 1000 }, (_, i) => i + 1);
  const course = (from: number, to: number, noise: number) =>
    steps.map((step) => to + (from - to) * Math.exp(-step / 220) + noise * (random.uniform() - 0.5));
  const loss = course(2.08, 0.71, 0.9);
  const first = course(0.16, 0.78, 0.5).map((share) => Math.round(8 * Math.min(1, Math.max(0, share))) / 8);
  return [
    { name: "loss", kind: "number", steps, values: loss },
    { name: "captions ranked first", kind: "share", steps, values: first },
  ];
}

function inventedSimilarity(prompts: readonly Prompt[], random: Generator): Report["similarity"] {
  const captions = prompts.map(({ prompt }) => prompt);
  const matrix = (contrast: number) =>
    captions.map((_, image) => {
      const ease = 0.1 * random.uniform();
      return captions.map(
        (_, caption) => 0.32 + ease + 0.06 * random.uniform() - (image === caption ? contrast : 0) * random.uniform(),
      );
    });
  return {
    measure: "mean denoising error",
    better: "lower",
    captions,
    images: captions.map((_, i) => `image-${String(i + 1).padStart(4, "0")}.png`),
    own: captions.map((_, i) => [i]),
    matrices: [
      { name: "base", values: matrix(0.05) },
      { name: "tuned", values: matrix(0.2) },
    ],
  };
}

function inventedInformation(random: Generator): Report["information"] {
  const logSnr = Array.from({ length: 41 }, (_, i) => -10 + i / 2);
  const integrand = (name: string, height: number) => ({
    name,
    logSnr,
    values: logSnr.map((at) => height * Math.exp(-((at + 1) ** 2) / 14) + 0.02 * (random.uniform() - 0.5)),
    standardErrors: logSnr.map((at) => 0.015 + 0.04 * height * Math.exp(-((at + 1) ** 2) / 20)),
  });
  return {
    unit: "nats",
    estimates: [
      { name: "base", value: 2.214, standardError: 0.094 },
      { name: "tuned", value: 3.071, standardError: 0.108 },
    ],
    integrands: [integrand("base", 0.34), integrand("tuned", 0.47)],
    remark: "Lower bound from denoising errors of 256 held-out images with 16 noises each.",
  };
}

async function inventedImages(
  prompts: readonly Prompt[],
  seedsEach: number,
  scores: readonly (readonly ItemScore[])[],
  random: Generator,
): Promise<GalleryItem[]> {
  return Promise.all(
    prompts.map(async ({ prompt, category, scene, expectation }, index) => {
      const images = scores.map(async (items) => {
        const { score } = items[index * seedsEach];
        const image = render(score === 1 ? scene : nearMiss(scene, random).scene);
        const png = Buffer.from(await encodePng(image, {})).toString("base64");
        return { score, reason: verify(image, expectation).reason, png };
      });
      return { prompt, category, seed: scores[0][index * seedsEach].seed, images: await Promise.all(images) };
    }),
  );
}
