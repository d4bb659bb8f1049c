/** @file The options of `softrepa train`, on the command line and in its configuration file. */

import { z } from "zod";
import type { Augmentation } from "../../data/augmentation.js";
import type { Family, UnetStage } from "../../pipelines/pipeline.js";
import { type TradeOff, tradeOffs } from "../../training/plan/possible-plans.js";
import {
  type MachineOptions,
  type ModelFileOptions,
  machineFields,
  maxSeed,
  modelFileFields,
  stages,
} from "../common.js";
import {
  byteSize,
  choice,
  defaulted,
  type FieldsOf,
  flag,
  type Kind,
  optional,
  path,
  pixels,
  positive,
  real,
  repeated,
  required,
  text,
  under,
  whole,
} from "../options.js";
import type { WeightedPath } from "../weighted-path.js";

/** Families whose settings in the paper are known. */
export const presetNames = ["sd3", "sd15", "sdxl"] as const satisfies readonly Family[];

/** What the best checkpoint is told by; the first word is a metric of validation. */
export const bestMetrics = ["loss", "rank1", "gap", "matched"] as const;

/** As typed, or as a configuration file has it. */
export interface RawTrainOptions extends ModelFileOptions, MachineOptions {
  readonly config: string | undefined;
  readonly preset: (typeof presetNames)[number] | undefined;
  /** A run folder to go on with. */
  readonly resume: string | undefined;
  readonly dryRun: boolean;
  readonly model: string;
  readonly data: readonly (string | WeightedPath)[];
  readonly out: string;
  readonly force: boolean;

  /** Tokens to go on from; they then say `layers`, `tokens`, `buckets`, `width` and `stages`, which are not to be read. */
  readonly initTokens: string | undefined;
  /** The family's default where undefined. */
  readonly layers: number | undefined;
  readonly tokens: number;
  readonly buckets: number;
  /** Of a UNet, those that see the tokens; the family's default where undefined. */
  readonly stages: readonly UnetStage[] | undefined;
  /** Of SD3's tokens: `raw` ones go through the context embedder, `projected` ones are as wide as the blocks. */
  readonly width: "raw" | "projected";

  /** At most one of both; where neither is given, the number of steps is `defaultSteps`. */
  readonly steps: number | undefined;
  readonly epochs: number | undefined;
  readonly batch: number;
  readonly lr: number;
  readonly weightDecay: number;
  /** Scheduler steps from one warm restart to the next (T0). */
  readonly restartPeriod: number;
  /** Training steps a scheduler step. */
  readonly schedulerEvery: number;
  readonly minLr: number;
  readonly seed: number;

  readonly objective: "softrepa" | "score-matching";
  readonly temperature: number;
  readonly scale: number;
  /** Weight of the own caption's error; the family's default where undefined. */
  readonly dweight: number | undefined;

  readonly skipUnusable: boolean;
  readonly crop: Augmentation["crop"];
  readonly flip: boolean;
  /** The model's own where undefined. */
  readonly resolution: number | undefined;
  /** Length of T5 text; the family's default where undefined. */
  readonly maxSequenceLength: number | undefined;
  /** Image-caption pairs a run of the denoiser; by its size, or by `memory`, where undefined. */
  readonly chunk: number | undefined;
  /** Whether activations are computed twice instead of being kept; `auto` where memory is short. */
  readonly checkpoints: TradeOff;
  /** Whether the denoiser's weights are copied into faster layouts; `auto` where memory allows. */
  readonly repack: TradeOff;
  /** Most bytes of memory the run may take; it then chooses its chunk and its caches by itself. */
  readonly memory: number | undefined;
  /** Batches whose captions and images are encoded ahead; as many as fit where undefined. */
  readonly captionWindow: number | undefined;
  /** Where latents are kept between runs; nowhere where undefined. */
  readonly latentsCache: string | undefined;
  /** Bytes. */
  readonly latentsCacheLimit: number;

  /** Images kept back from training; 0 for none. */
  readonly holdOut: number;
  readonly validation: string | undefined;
  readonly validateEvery: number | undefined;

  readonly samplePrompt: readonly string[];
  readonly samplePrompts: string | undefined;
  readonly sampleEvery: number | undefined;
  readonly sampleSeed: number;
  /** The family's default where undefined, also of the guidance scale. */
  readonly sampleSteps: number | undefined;
  readonly sampleGuidance: number | undefined;
  /** Pixels a side; the model's own where undefined. */
  readonly sampleSize: number | undefined;

  /** Steps; 0 saves at the end only. */
  readonly saveEvery: number;
  /** 0 keeps all. */
  readonly keepLast: number;
  readonly best: (typeof bestMetrics)[number];
  readonly logEvery: number;
  readonly tensorboard: boolean;
}

/** Options that say what to do now, not what a run is: no configuration file has them. */
export const commandOnly = [
  "config",
  "resume",
  "dryRun",
  "force",
  "json",
] as const satisfies readonly (keyof RawTrainOptions)[];

export const defaultSteps = 5000;

const dataPath: Kind<string | WeightedPath> = {
  ...path,
  config: z.union([
    z.string().min(1),
    z
      .strictObject({ path: z.string().min(1), weight: z.number().positive().optional() })
      .transform(({ path: named, weight }): WeightedPath => ({ path: named, weight })),
  ]),
  what: "a path, such as photos or photos=0.3",
};

/** Fresh fields for one command (commander keeps state in them). */
export function trainFields(): FieldsOf<RawTrainOptions> {
  return {
    model: required("--model <path>", "diffusers folder, or a checkpoint file", path),
    data: repeated("--data <path...>", "images with captions; path=0.3 draws 30% from it", dataPath),
    out: required("--out <folder>", "run folder to write", path),
    force: flag("--force", "overwrite a run folder that is not empty"),
    ...under("Where settings come from", {
      config: optional("--config <file>", "YAML; what is typed beside it wins", path),
      preset: optional("--preset <family>", "the paper's: sd3, sd15 or sdxl", choice(presetNames)),
      resume: optional("--resume <folder>", "go on with a run, from its last checkpoint", path),
      dryRun: flag("--dry-run", "check all, print the settings, write nothing"),
    }),
    ...under("Soft tokens", {
      layers: optional("--layers <n>", "blocks that get soft tokens (default: by family)", whole(1, 1000)),
      tokens: defaulted("--tokens <n>", "soft tokens a layer", whole(1, 1000), 4),
      buckets: defaulted("--buckets <n>", "rows of the time table, 0: none", whole(0, 1000), 100),
      width: defaulted("--width <kind>", "raw or projected, SD3 only", choice(["raw", "projected"]), "projected"),
      stages: optional("--stages <list>", "of a UNet: down,mid,up (default: by family)", stages),
      initTokens: optional("--init-tokens <file>", "tokens to go on from (their layout holds)", path),
    }),
    ...under("Training", {
      steps: optional("--steps <n>", `training steps (default: ${defaultSteps})`, whole(1)),
      epochs: optional("--epochs <x>", "instead of steps: times to see every image", positive),
      batch: defaulted("--batch <n>", "images a step", whole(2, 4096), 4),
      lr: defaulted("--lr <x>", "learning rate", positive, 1e-3),
      weightDecay: defaulted("--weight-decay <x>", "AdamW weight decay", real(0), 1e-4, "1e-4"),
      restartPeriod: defaulted("--restart-period <n>", "scheduler steps between restarts", whole(1), 10),
      schedulerEvery: defaulted("--scheduler-every <n>", "training steps a scheduler step", whole(1), 500),
      minLr: defaulted("--min-lr <x>", "learning rate floor", real(0), 1e-5, "1e-5"),
      seed: defaulted("--seed <n>", "seed of noise, order and tokens", whole(0, maxSeed), 0),
    }),
    ...under("Objective", {
      objective: defaulted(
        "--objective <name>",
        "softrepa or score-matching",
        choice(["softrepa", "score-matching"]),
        "softrepa",
      ),
      temperature: defaulted("--temperature <x>", "temperature of the errors", positive, 0.07),
      scale: defaulted("--scale <x>", "scale of the logits", positive, 4),
      dweight: optional("--dweight <x>", "weight of own errors (default: by family)", real(0)),
    }),
    ...under("Data and memory", {
      skipUnusable: flag("--skip-unusable", "decode every image first, leave out bad ones"),
      crop: defaulted("--crop <part>", "center or random", choice(["center", "random"]), "center"),
      flip: flag("--flip", "mirror half; not if captions say left or right"),
      resolution: optional("--resolution <n>", "image size (default: the model's)", pixels),
      maxSequenceLength: optional("--max-sequence-length <n>", "T5 text tokens (default: 256)", whole(1, 512)),
      chunk: optional("--chunk <n>", "pairs a run (default: by size, memory)", whole(1)),
      checkpoints: defaulted("--checkpoints <when>", "compute activations twice", choice(tradeOffs), "auto"),
      repack: defaulted("--repack <when>", "copy weights into faster layouts", choice(tradeOffs), "auto"),
      memory: optional("--memory <size>", "stay below, such as 8GB; chooses --chunk", byteSize),
      captionWindow: optional("--caption-window <n>", "batches encoded ahead (default: by memory)", whole(1)),
      latentsCache: optional("--latents-cache <dir>", "keep latents there, fp16, for all runs", path),
      latentsCacheLimit: defaulted("--latents-cache-limit <size>", "bytes on disk", byteSize, 20e9, "20GB"),
    }),
    ...under("Validation", {
      holdOut: defaulted("--hold-out <n>", "images kept back to measure by", whole(0), 0),
      validation: optional("--validation <path>", "a data set to measure by instead", path),
      validateEvery: optional("--validate-every <n>", "steps (default: --save-every)", whole(1)),
    }),
    ...under("Samples while training", {
      samplePrompt: repeated("--sample-prompt <text>", "may be given several times", text),
      samplePrompts: optional("--sample-prompts <file>", "one a line; # starts a comment", path),
      sampleEvery: optional("--sample-every <n>", "steps (default: --save-every)", whole(1)),
      sampleSeed: defaulted("--sample-seed <n>", "seed of their noise", whole(0, maxSeed), 0),
      sampleSteps: optional("--sample-steps <n>", "denoising steps (default: by family)", whole(1, 1000)),
      sampleGuidance: optional("--sample-guidance <x>", "guidance scale (default: by family)", real(0)),
      sampleSize: optional("--sample-size <n>", "pixels a side (default: the model's)", pixels),
    }),
    ...under("Saving", {
      saveEvery: defaulted("--save-every <n>", "steps, 0: the last only", whole(0), 500),
      keepLast: defaulted("--keep-last <n>", "checkpoints beside the best, 0: all", whole(0), 5),
      best: defaulted("--best <metric>", "by loss, rank1, gap or matched", choice(bestMetrics), "loss"),
      logEvery: defaulted("--log-every <n>", "steps between events of --json", whole(1), 10),
      tensorboard: flag("--tensorboard", "write TensorBoard event files too"),
    }),
    ...under("Model files", modelFileFields()),
    ...under("Machine", machineFields()),
  };
}
