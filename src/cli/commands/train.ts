/** @file `softrepa train`: its options. */

import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import type { UnetStage } from "../../pipelines/pipeline.js";
import {
  type MachineOptions,
  type ModelFileOptions,
  machineFields,
  maxSeed,
  modelFileFields,
  stages,
} from "../common.js";
import type { CommandRun } from "../context.js";
import {
  choice,
  defaulted,
  defineCommand,
  type FieldsOf,
  flag,
  optional,
  path,
  pixels,
  positive,
  real,
  required,
  under,
  whole,
} from "../options.js";
import { requireRunFolder } from "../outputs.js";

export interface TrainCommandOptions extends ModelFileOptions, MachineOptions {
  readonly model: string;
  readonly data: string;
  /** Checked: writable, and empty or to be overwritten. */
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

  readonly steps: number;
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

  /** The model's own where undefined. */
  readonly resolution: number | undefined;
  /** Length of T5 text; the family's default where undefined. */
  readonly maxSequenceLength: number | undefined;
  /** Image-caption pairs a run of the denoiser; chosen by memory where undefined. */
  readonly chunk: number | undefined;
  /** Steps; 0 saves at the end only. */
  readonly saveEvery: number;
  readonly logEvery: number;
}

function fields(): FieldsOf<TrainCommandOptions> {
  return {
    model: required("--model <path>", "diffusers folder, or a checkpoint file", path),
    data: required("--data <folder>", "images with captions: metadata.jsonl or .txt", path),
    out: required("--out <folder>", "run folder to write", path),
    force: flag("--force", "overwrite a run folder that is not empty"),
    ...under("Soft tokens", {
      layers: optional("--layers <n>", "blocks that get soft tokens (default: by family)", whole(1, 1000)),
      tokens: defaulted("--tokens <n>", "soft tokens a layer", whole(1, 1000), 4),
      buckets: defaulted("--buckets <n>", "rows of the time table", whole(1, 1000), 100),
      width: defaulted("--width <kind>", "raw or projected, SD3 only", choice(["raw", "projected"]), "projected"),
      stages: optional("--stages <list>", "of a UNet: down,mid,up (default: by family)", stages),
      initTokens: optional("--init-tokens <file>", "tokens to go on from (their layout holds)", path),
    }),
    ...under("Training", {
      steps: defaulted("--steps <n>", "training steps", whole(1), 5000),
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
        "--objective <kind>",
        "softrepa or score-matching",
        choice(["softrepa", "score-matching"]),
        "softrepa",
      ),
      temperature: defaulted("--temperature <x>", "temperature of the errors", positive, 0.07),
      scale: defaulted("--scale <x>", "scale of the logits", positive, 4),
      dweight: optional("--dweight <x>", "weight of own errors (default: by family)", real(0)),
    }),
    ...under("Data and memory", {
      resolution: optional("--resolution <n>", "image size (default: the model's)", pixels),
      maxSequenceLength: optional("--max-sequence-length <n>", "T5 text tokens (default: 256)", whole(1, 512)),
      chunk: optional("--chunk <n>", "pairs a run (default: by memory)", whole(1)),
    }),
    ...under("Saving", {
      saveEvery: defaulted("--save-every <n>", "steps between checkpoints, 0: none", whole(0), 500),
      logEvery: defaulted("--log-every <n>", "steps between log lines", whole(1), 10),
    }),
    ...under("Model files", modelFileFields()),
    ...under("Machine", machineFields()),
  };
}

export function trainCommand(run: CommandRun<TrainCommandOptions>): Command {
  return defineCommand(
    {
      name: "train",
      description: "learn soft text tokens from captioned images",
      fields: fields(),
      examples: [
        "softrepa train --model sd3-medium --data photos --out runs/photos",
        "softrepa train --model sd_xl_base_1.0.safetensors --data photos --out runs/xl",
      ],
      resolve: async (options, given) => {
        const layout = (["layers", "tokens", "buckets", "width", "stages"] as const).find((name) => given.has(name));
        if (options.initTokens !== undefined && layout) {
          throw new UsageError(`--${layout} cannot be chosen with --init-tokens, whose file says it`);
        }
        if (options.minLr > options.lr) {
          throw new UsageError(`--min-lr ${options.minLr} is above --lr ${options.lr}`);
        }
        await requireRunFolder(options.out, options.force);
        return options;
      },
    },
    run,
  );
}
