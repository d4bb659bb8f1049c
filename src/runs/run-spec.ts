/** @file `RunSpec`: all that a training run is told, by names, with defaults; flags, configuration keys and JSON Schema follow from it. */

import { z } from "zod";
import {
  byteSize,
  choice,
  flag,
  list,
  maxSeed,
  path,
  pixels,
  positive,
  real,
  someOf,
  text,
  whole,
} from "../core/option-values.js";
import { builtInFamilies } from "../families/index.js";
import { unetStages } from "../pipelines/pipeline.js";
import { libraries, precisions, providers } from "../runtime/engine.js";
import { tradeOffs } from "../training/plan/possible-plans.js";
import type { WeightedPath } from "./weighted-path.js";

/** Families whose settings in the paper are known. */
export const presetNames: readonly string[] = builtInFamilies.flatMap(({ name, paper }) => (paper ? [name] : []));

/** What the best checkpoint is told by: metrics of validation. */
export const bestMetrics = ["loss", "rank1", "gap", "matched"] as const;

export const defaultSteps = 5000;

const seed = whole(0, maxSeed).default(0);
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

/** Which files make up a model; every command that opens one has these. */
export const modelFileOptions = {
  variant: text.optional().describe("of a folder: weight files to take, such as fp16"),
  tokenizers: list(path, "must be a path, or a list of them")
    .default([])
    .describe("of a checkpoint file; CLIP's own is built in"),
  textEncoders: path.optional().describe("those that a checkpoint file lacks"),
};

/** What runs graphs, where and how; `auto` takes the fastest that works here. */
export const machineOptions = {
  engine: choice(["auto", ...libraries])
    .default("auto")
    .describe("onnxruntime or openvino"),
  provider: choice(["auto", ...providers])
    .default("auto")
    .describe("cpu, webgpu, cuda, dml or coreml"),
  /** docs/experiments/precision.md tells why there are no others. */
  precision: z
    .enum(
      ["auto", ...precisions],
      "must be auto, fp32 (onnxruntime, OpenVINO) or bf16 (OpenVINO alone, on processors that have it)",
    )
    .default("auto")
    .describe("fp32 or bf16"),
  threads: whole(1, 1024).optional().describe("CPU threads (default: all cores)"),
};

/** In the order of the command's help. What is not given and has no default is the family's, the model's or memory's to say. */
export const runSpec = z.strictObject({
  model: path.optional().describe("diffusers folder, or a checkpoint file"),
  data: list(dataPath, wrongData).describe("images with captions; path=0.3 draws 30% from it"),
  out: path.describe("run folder to write"),

  preset: choice(presetNames)
    .optional()
    .describe(`the paper's: ${presetNames.join(", ")}`),

  layers: whole(1, 1000).optional().describe("blocks that get soft tokens (default: by family)"),
  tokens: whole(1, 1000).default(4).describe("soft tokens a layer"),
  buckets: whole(0, 1000).default(100).describe("rows of the time table, 0: none"),
  /** Of SD3's tokens: `raw` ones go through the context embedder, `projected` ones are as wide as the blocks. */
  width: choice(["raw", "projected"]).default("projected").describe("raw or projected, SD3 only"),
  /** Those that see the tokens. */
  stages: someOf(unetStages, ", such as down,mid").optional().describe("of a UNet: down,mid,up (default: by family)"),
  /** They then say `layers`, `tokens`, `buckets`, `width` and `stages`, which are not to be read. */
  initTokens: path.optional().describe("tokens to go on from (their layout holds)"),

  /** At most one of steps and epochs. */
  steps: whole(1).optional().describe(`training steps (default: ${defaultSteps})`),
  epochs: positive.optional().describe("instead of steps: times to see every image"),
  batch: whole(2, 4096).default(4).describe("images a step"),
  learningRate: positive.default(1e-3).describe("learning rate"),
  weightDecay: real(0).default(1e-4).describe("AdamW weight decay (default: 1e-4)"),
  /** T0 of the cosine schedule. */
  restartPeriod: whole(1).default(10).describe("scheduler steps between restarts"),
  schedulerEvery: whole(1).default(500).describe("training steps a scheduler step"),
  minimumLearningRate: real(0).default(1e-5).describe("learning rate floor (default: 1e-5)"),
  seed: seed.describe("seed of noise, order and tokens"),

  /** The name of one that is built in, or of the one that is handed in with the run. */
  objective: text.min(1, "must be a name").default("softrepa").describe("softrepa or score-matching"),
  temperature: positive.default(0.07).describe("temperature of the errors"),
  scale: positive.default(4).describe("scale of the logits"),
  dweight: real(0).optional().describe("weight of own errors (default: by family)"),

  skipUnusable: flag.describe("decode every image first, leave out bad ones"),
  crop: choice(["center", "random"]).default("center").describe("center or random"),
  flip: flag.describe("mirror half; not if captions say left or right"),
  resolution: pixels.optional().describe("image size (default: the model's)"),
  maxSequenceLength: whole(1, 512).optional().describe("T5 text tokens (default: 256)"),
  pairsPerRun: whole(1).optional().describe("pairs a run (default: by size, memory)"),
  /** `auto` where memory is short. */
  checkpoints: choice(tradeOffs).default("auto").describe("compute activations twice"),
  /** `auto` where memory allows. */
  repack: choice(tradeOffs).default("auto").describe("copy weights into faster layouts"),
  /** Bytes; the run then chooses `pairsPerRun` and its caches by itself. */
  memory: byteSize.optional().describe("stay below, such as 8GB; chooses `pairsPerRun`"),
  captionWindow: whole(1).optional().describe("batches encoded ahead (default: by memory)"),
  latentsCache: path.optional().describe("keep latents there, fp16, for all runs"),
  latentsCacheLimit: byteSize.default(20e9).describe("bytes on disk (default: 20GB)"),

  holdOut: whole(0).default(0).describe("images kept back to measure by"),
  validation: path.optional().describe("a data set to measure by instead"),
  validateEvery: whole(1).optional().describe("steps (default: `saveEvery`)"),

  samplePrompts: list(text, "must be a text, or a list of them").default([]).describe("may be given several times"),
  samplePromptsFile: path.optional().describe("one a line; # starts a comment"),
  sampleEvery: whole(1).optional().describe("steps (default: `saveEvery`)"),
  sampleSeed: seed.describe("seed of their noise"),
  sampleSteps: whole(1, 1000).optional().describe("denoising steps (default: by family)"),
  sampleGuidance: real(0).optional().describe("guidance scale (default: by family)"),
  sampleSize: pixels.optional().describe("pixels a side (default: the model's)"),

  saveEvery: whole(0).default(500).describe("steps, 0: the last only"),
  keepLast: whole(0).default(5).describe("checkpoints beside the best, 0: all"),
  best: choice(bestMetrics).default("loss").describe("by loss, rank1, gap or matched"),
  logEvery: whole(1).default(10).describe("steps between events of --json"),
  tensorboard: flag.describe("write TensorBoard event files too"),

  ...modelFileOptions,
  ...machineOptions,
});

/** As it is used: defaults filled in. */
export type RunSpec = z.output<typeof runSpec>;

/** As it is written: only `data` and `out` must be there. */
export type RunSpecInput = z.input<typeof runSpec>;
