/** @file What the demo found, as a report. */

import { cpus } from "node:os";
import { basename } from "node:path";
import { encodePng } from "../data/png.js";
import { comparePaired, type Metric, type PairedComparison } from "../evaluation/paired-comparison.js";
import { headlineOf, type Report } from "../evaluation/report/index.js";
import type { TrainStep } from "../training/train.js";
import type { JudgedPicture } from "./judge.js";
import type { InformationChange } from "./measure.js";
import type { DemoOptions } from "./settings.js";

export interface Phase {
  readonly name: string;
  readonly seconds: number;
}

interface Findings extends DemoOptions {
  readonly tokenFile: string;
  readonly comparison: PairedComparison;
  readonly base: readonly JudgedPicture[];
  readonly tuned: readonly JudgedPicture[];
  readonly steps: readonly TrainStep[];
  readonly similarity: {
    readonly captions: readonly string[];
    /** errors[image][caption], before and after. */
    readonly matrices: readonly (readonly (readonly number[])[])[];
  };
  readonly information: InformationChange;
  readonly phases: readonly Phase[];
}

const accuracy: Metric = { name: "accuracy", kind: "verdict", better: "higher" };

/** Counting stands apart: long contrastive training is known to over-count (arXiv 2605.30038). */
export function compareVerdicts(base: readonly JudgedPicture[], tuned: readonly JudgedPicture[]): PairedComparison {
  const scores = (name: string, pictures: readonly JudgedPicture[]) => ({
    name,
    items: pictures.map(({ prompt, seed, category, correct }) => ({ prompt, seed, category, score: correct ? 1 : 0 })),
  });
  return comparePaired([scores("base", base), scores("tuned", tuned)], { metric: accuracy, apart: ["counting"] });
}

export async function demoReport(found: Findings): Promise<Report> {
  const { settings, steps, similarity, information, base, tuned, comparison } = found;
  const count = steps.map(({ step }) => step);
  const own = similarity.captions.map((caption) =>
    similarity.captions.flatMap((other, index) => (other === caption ? [index] : [])),
  );
  return {
    format: "softrepa-report",
    formatVersion: 1,
    title: "Soft text tokens on the demo pipeline",
    created: new Date().toISOString(),
    headline: headlineOf(comparison),
    comparisons: [comparison],
    settings: {
      model: found.model,
      tokens: basename(found.tokenFile),
      guidanceScale: settings.guidanceScale,
      steps: settings.samplingSteps,
      seeds: [settings.seed],
      commandLine: found.commandLine,
      version: found.version,
      further: [
        { name: "soft tokens", value: `${settings.layers} layers, ${settings.tokens} each` },
        {
          name: "training",
          value: `${settings.steps} steps of ${settings.batch} images, learning rate ${settings.learningRate}`,
        },
        {
          name: "objective",
          value: `SoftREPA, temperature ${settings.temperature}, scale ${settings.scale}, dweight ${settings.dweight}`,
        },
        {
          name: "prompts",
          value: `${settings.prompts} held-out ones, seed ${settings.promptSeed}; prompt i starts from the noise of seed ${settings.seed} + i`,
        },
      ],
    },
    cost: {
      phases: [...found.phases],
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      processor: cpus()[0]?.model.trim() || "unknown",
      threads: cpus().length,
    },
    curves: [
      { name: "loss", kind: "number", steps: count, values: steps.map(({ loss }) => loss) },
      { name: "captions ranked first", kind: "share", steps: count, values: steps.map(({ rank1 }) => rank1 ?? 0) },
    ],
    similarity: {
      measure: "mean denoising error of held-out pairs",
      better: "lower",
      captions: [...similarity.captions],
      images: similarity.captions.map((_, index) => `scene ${index + 1}`),
      own,
      matrices: ["base", "tuned"].map((name, index) => ({
        name,
        values: similarity.matrices[index].map((row) => [...row]),
      })),
    },
    information: informationSection(information),
    gallery: {
      metric: accuracy,
      variants: ["base", "tuned"],
      chosen: "all",
      items: await Promise.all(
        base.map(async (picture, index) => ({
          prompt: picture.prompt,
          category: picture.category,
          seed: picture.seed,
          images: await Promise.all([picture, tuned[index]].map(pictureEntry)),
        })),
      ),
    },
    notes: [
      "The pipeline was trained on procedurally drawn scenes; most pictures that it saw under labels, the style of the prompts, were cut off at an edge: docs/experiments/pretraining.md tells how and why, and sweep.md beside it what else was tried.",
      "No prompt's combination (colour and shape, or pair of shapes) occurs in any training picture or caption, of the pipeline or of the tokens.",
    ],
  };
}

function informationSection({ before, after, gain }: InformationChange): NonNullable<Report["information"]> {
  const estimate = (name: string, { mean, standardError }: { mean: number; standardError: number | null }) => ({
    name,
    value: mean,
    standardError,
  });
  const curve = (name: string, { curve: points }: typeof before) => ({
    name,
    logSnr: points.map(({ logSnr }) => logSnr),
    values: points.map(({ mean }) => mean),
  });
  const plusMinus = (value: { mean: number; standardError: number | null }) =>
    `${value.mean.toFixed(2)} \u00b1 ${(value.standardError ?? 0).toFixed(2)}`;
  return {
    unit: "nats",
    estimates: [
      estimate("base", before),
      estimate("tuned", after),
      estimate("paired difference", gain),
      estimate("of it, log p(image | caption)", gain.withCaption),
      estimate("less it, log p(image)", gain.withoutCaption),
    ],
    integrands: [curve("base", before), curve("tuned", after)],
    remark: `${plusMinus(before)} nats before, ${plusMinus(after)} after, paired difference ${plusMinus(gain)} (mean and standard error over ${before.pairs.length} held-out pairs)`,
  };
}

async function pictureEntry({ image, correct, reason }: JudgedPicture) {
  return { score: correct ? 1 : 0, reason, png: Buffer.from(await encodePng(image, {})).toString("base64") };
}
