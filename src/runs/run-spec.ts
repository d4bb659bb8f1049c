/** @file `RunSpec`: the options of a training run and their defaults. Flags, configuration keys and JSON Schema derive from it. */

import { z } from "zod";
import {
  byteSize,
  choice,
  flag,
  integer,
  list,
  maxSeed,
  number,
  path,
  pixels,
  positive,
  someOf,
  text,
} from "../core/option-values.js";
import { builtInFamilies } from "../families/index.js";
import { unetStages } from "../pipelines/pipeline.js";
import { libraries, precisions, providers } from "../runtime/engine.js";
import { tradeOffs } from "../training/plan/possible-plans.js";
import type { WeightedPath } from "./weighted-path.js";

/** Families with settings from the paper. */
export const presetNames: readonly string[] = builtInFamilies.flatMap(({ name, paper }) => (paper ? [name] : []));

/** Validation metrics that the best checkpoint may be chosen by. */
export const bestMetrics = ["loss", "rank1", "gap", "matched"] as const;

export const defaultSteps = 5000;

const seed = integer(0, maxSeed).default(0);
const wrongData = "must be a path, such as photos or photos=0.3, or a list of them";
const dataPath = z.union([
  path,
  z
    .strictObject(
      {
        path: z.string(wrongData).min(1, wrongData),
        weight: z.number(wrongData).positive(wrongData).optional(),
      },
      wrongData,
    )
    .transform((set): WeightedPath => ({ path: set.path, weight: set.weight })),
]);

/** Files of a model, for every command that opens one. */
export const modelFileOptions = {
  variant: text.optional().describe("weight files of a folder to use, such as fp16"),
  tokenizers: list(path, "must be a path, or a list of them")
    .default([])
    .describe("for a checkpoint file; CLIP's is built in"),
  textEncoders: path.optional().describe("text encoders that a checkpoint file lacks"),
};

/** Engine, device and precision; `auto` takes the fastest that works on this machine. */
export const machineOptions = {
  engine: choice(["auto", ...libraries])
    .default("auto")
    .describe("onnxruntime or openvino"),
  provider: choice(["auto", ...providers])
    .default("auto")
    .describe("cpu, webgpu, cuda, dml or coreml"),
  /** docs/experiments/precision.md explains why there are no others. */
  precision: z
    .enum(
      ["auto", ...precisions],
      "must be auto, fp32 (onnxruntime, OpenVINO) or bf16 (OpenVINO on processors that support it)",
    )
    .default("auto")
    .describe("fp32 or bf16"),
  threads: integer(1, 1024).optional().describe("CPU threads (default: all cores)"),
};

/** In the order of the help. Options without a default depend on the family, the model or the available memory. */
export const runSpec = z.strictObject({
  model: path.optional().describe("diffusers folder, or a checkpoint file"),
  data: list(dataPath, wrongData).describe("captioned images; path=0.3 samples 30% from it"),
  out: path.describe("run folder to write"),

  preset: choice(presetNames)
    .optional()
    .describe(`settings of the paper: ${presetNames.join(", ")}`),

  layers: integer(1, 1000).optional().describe("blocks with soft tokens (default: by family)"),
  tokens: integer(1, 1000).default(4).describe("soft tokens per layer"),
  buckets: integer(0, 1000).default(100).describe("rows of the time table, 0: none"),
  /** For SD3: `raw` tokens pass through the context embedder, `projected` tokens have the width of the blocks. */
  width: choice(["raw", "projected"]).default("projected").describe("raw or projected, SD3 only"),
  /** Stages whose blocks use the tokens. */
  stages: someOf(unetStages, ", such as down,mid").optional().describe("UNet stages: down,mid,up (default: by family)"),
  /** Excludes `layers`, `tokens`, `buckets`, `width` and `stages`, which the file determines. */
  initTokens: path.optional().describe("tokens to start from, with their layout"),

  /** At most one of steps and epochs. */
  steps: integer(1).optional().describe(`training steps (default: ${defaultSteps})`),
  epochs: positive.optional().describe("passes over the data, instead of steps"),
  batch: integer(2, 4096).default(4).describe("images per step"),
  learningRate: positive.default(1e-3).describe("learning rate"),
  weightDecay: number(0).default(1e-4).describe("AdamW weight decay (default: 1e-4)"),
  /** T0 of the cosine schedule. */
  restartPeriod: integer(1).default(10).describe("scheduler steps between restarts"),
  schedulerEvery: integer(1).default(500).describe("training steps per scheduler step"),
  minimumLearningRate: number(0).default(1e-5).describe("learning rate floor (default: 1e-5)"),
  seed: seed.describe("seed of noise, order and tokens"),

  /** The name of a built-in objective, or of the one that the caller passes with the run. */
  objective: text.min(1, "must be a name").default("softrepa").describe("softrepa or score-matching"),
  temperature: positive.default(0.07).describe("temperature of the errors"),
  scale: positive.default(4).describe("scale of the logits"),
  dweight: number(0).optional().describe("weight of matched errors (default: by family)"),

  skipUnusable: flag.describe("decode every image first and skip bad ones"),
  crop: choice(["center", "random"]).default("center").describe("center or random"),
  flip: flag.describe("flip half of the images (changes left and right)"),
  resolution: pixels.optional().describe("image size (default: the model's)"),
  maxSequenceLength: integer(1, 512).optional().describe("T5 text tokens (default: 256)"),
  pairsPerRun: integer(1).optional().describe("pairs per run (default: by size and memory)"),
  /** `auto` turns it on if memory is short. */
  checkpoints: choice(tradeOffs).default("auto").describe("recompute activations"),
  /** `auto` turns it on if memory allows. */
  repack: choice(tradeOffs).default("auto").describe("copy weights into faster layouts"),
  /** Bytes; the run then chooses `pairsPerRun` and the size of its caches. */
  memory: byteSize.optional().describe("memory limit, such as 8GB; chooses `pairsPerRun`"),
  captionWindow: integer(1).optional().describe("batches encoded ahead (default: by memory)"),
  latentsCache: path.optional().describe("cache latents there in fp16, for all runs"),
  latentsCacheLimit: byteSize.default(20e9).describe("largest size on disk (default: 20GB)"),

  holdOut: integer(0).default(0).describe("images held out for validation"),
  validation: path.optional().describe("a data set for validation instead"),
  validateEvery: integer(1).optional().describe("interval in steps (default: `saveEvery`)"),

  samplePrompts: list(text, "must be a text, or a list of them")
    .default([])
    .describe("prompt; may be given several times"),
  samplePromptsFile: path.optional().describe("one prompt per line; # starts a comment"),
  sampleEvery: integer(1).optional().describe("interval in steps (default: `saveEvery`)"),
  sampleSeed: seed.describe("seed of the noise of samples"),
  sampleSteps: integer(1, 1000).optional().describe("denoising steps (default: by family)"),
  sampleGuidance: number(0).optional().describe("guidance scale (default: by family)"),
  sampleSize: pixels.optional().describe("width and height (default: the model's)"),

  saveEvery: integer(0).default(500).describe("interval in steps, 0: last only"),
  keepLast: integer(0).default(5).describe("newest checkpoints to keep, 0: all"),
  best: choice(bestMetrics).default("loss").describe("loss, rank1, gap or matched"),
  logEvery: integer(1).default(10).describe("steps between --json events"),
  tensorboard: flag.describe("also write TensorBoard event files"),

  ...modelFileOptions,
  ...machineOptions,
});

/** With defaults filled in. */
export type RunSpec = z.output<typeof runSpec>;

/** As written by the user: only `data` and `out` are required. */
export type RunSpecInput = z.input<typeof runSpec>;
