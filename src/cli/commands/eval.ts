/** @file `softrepa eval`: its options. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { InputError, UsageError } from "../../core/errors.js";
import { type MetricName, metricNames } from "../../evaluation/metrics/find-weights.js";
import { type ListedPrompt, readPromptList } from "../../evaluation/run/index.js";
import {
  checkTokenUse,
  type MachineOptions,
  type ModelFileOptions,
  machineFields,
  maxSeed,
  modelFileFields,
  type TokenUseOptions,
  tokenUseFields,
} from "../common.js";
import type { CommandRun } from "../context.js";
import {
  defaulted,
  defineCommand,
  type FieldsOf,
  flag,
  type Kind,
  optional,
  path,
  real,
  repeated,
  required,
  text,
  under,
  whole,
} from "../options.js";
import { requireRunFolder } from "../outputs.js";

interface SharedOptions extends MachineOptions {
  readonly out: string;
  readonly weights: string | undefined;
  readonly metrics: readonly MetricName[];
  /** Pictures or a statistics file for FID. */
  readonly reference: string | undefined;
  readonly saveStatistics: string | undefined;
}

export interface DrawingOptions extends ModelFileOptions, TokenUseOptions {
  readonly model: string;
  /** Use tokens that were trained on another base; the folder is overwritten too, which is settled already. */
  readonly force: boolean;
  readonly negative: string;
  /** The family's default where undefined. */
  readonly steps: number | undefined;
  readonly guidance: number | undefined;
  readonly batch: number;
  readonly repack: boolean;
  readonly seed: number;
  /** Pictures a prompt. */
  readonly seeds: number;
  readonly maxSequenceLength: number | undefined;
  /** Scenes of the built-in world, or lines of a file. */
  readonly source:
    | { readonly kind: "scenes"; readonly count: number }
    | { readonly kind: "prompts"; readonly prompts: readonly ListedPrompt[] };
}

export interface EvalCommandOptions extends SharedOptions {
  /** Where features are kept. */
  readonly cache: string;
  /** Folders of pictures, one a variant, or a pipeline to draw them. */
  readonly subject:
    | { readonly kind: "images"; readonly folders: readonly string[]; readonly prompts: readonly ListedPrompt[] | null }
    | ({ readonly kind: "pipeline" } & DrawingOptions);
}

interface RawOptions extends SharedOptions, ModelFileOptions, TokenUseOptions {
  readonly force: boolean;
  readonly cache: string | undefined;
  readonly images: readonly string[];
  readonly model: string | undefined;
  readonly prompts: string | undefined;
  readonly scenes: number | undefined;
  readonly seeds: number;
  readonly seed: number;
  readonly negative: string;
  readonly steps: number | undefined;
  readonly guidance: number | undefined;
  readonly batch: number;
  readonly repack: boolean;
  readonly maxSequenceLength: number | undefined;
}

const canonical = new Map(metricNames.map((name) => [name.toLowerCase(), name]));

const metrics: Kind<readonly MetricName[]> = {
  schema: z
    .string()
    .transform((list) => list.split(",").map((name) => canonical.get(name.trim().toLowerCase())))
    .pipe(z.array(z.enum(metricNames)).min(1)),
  config: z.array(z.enum(metricNames)).min(1),
  what: `one or more of ${metricNames.join(",")}`,
};

function fields(): FieldsOf<RawOptions> {
  return {
    out: required("--out <folder>", "where report.html, scores and pictures go", path),
    force: flag("--force", "overwrite a folder; use tokens of another base"),
    ...under("What to judge: folders of pictures ...", {
      images: repeated("--images <folder...>", "one folder a variant, the baseline first", path),
    }),
    ...under("... or a pipeline, with and without tokens", {
      model: optional("--model <path>", "diffusers folder, or a checkpoint file", path),
      ...tokenUseFields(),
      scenes: optional("--scenes <n>", "draw n prompts of the built-in world", whole(1, 100000)),
      seeds: defaulted("--seeds <n>", "pictures a prompt", whole(1, 1000), 1),
      seed: defaulted("--seed <n>", "first seed; every picture has its own", whole(0, maxSeed), 0),
      steps: optional("--steps <n>", "sampling steps (default: the model's)", whole(1, 1000)),
      guidance: optional("--guidance <x>", "guidance scale (default: the model's)", real(0)),
      negative: defaulted("--negative <text>", "what not to show", text, "", "empty"),
      batch: defaulted("--batch <n>", "pictures denoised together", whole(1, 1024), 1),
      repack: flag("--repack", "copy weights into faster layouts, for many"),
      maxSequenceLength: optional("--max-sequence-length <n>", "T5 text tokens (default: 256)", whole(1, 512)),
    }),
    ...under("Prompts", {
      prompts: optional("--prompts <file>", "one a line, or .jsonl as GenEval has them", path),
    }),
    ...under("Metrics", {
      weights: optional("--weights <folder>", "the metrics' weight files, see docs/metrics.md", path),
      metrics: defaulted("--metrics <list>", "such as CLIPScore,FID", metrics, metricNames, "all"),
      reference: optional("--reference <path>", "of FID: a folder, or statistics .npz", path),
      saveStatistics: optional("--save-statistics <file>", "write FID's statistics .npz", path),
      cache: optional("--cache <folder>", "of features (default: OUT/features)", path),
    }),
    ...under("Model files", modelFileFields()),
    ...under("Machine", machineFields()),
  };
}

export function evalCommand(run: CommandRun<EvalCommandOptions>): Command {
  return defineCommand(
    {
      name: "eval",
      description: "judge pictures by the paper's metrics",
      fields: fields(),
      examples: [
        "softrepa eval --images base tuned --weights metrics --out report",
        "softrepa eval --model sd3-medium --tokens tokens.safetensors \\\n" +
          "      --prompts prompts.txt --seeds 4 --weights metrics --out report",
      ],
      resolve: async (raw, given) => {
        const { out, force, weights, reference, saveStatistics } = raw;
        const { engine, provider, precision, threads, json } = raw;
        const subject = await resolveSubject(raw, given);
        await requireRunFolder(out, force);
        if (reference !== undefined) await requireThere("--reference", reference);
        if (weights !== undefined) await requireThere("--weights", weights);
        if (saveStatistics !== undefined && !saveStatistics.endsWith(".npz")) {
          throw new UsageError(`--save-statistics ${saveStatistics} must end in .npz`);
        }
        const cache = raw.cache ?? join(out, "features");
        const shared = { out, weights, metrics: raw.metrics, reference, saveStatistics, cache };
        return { ...shared, engine, provider, precision, threads, json, subject };
      },
    },
    run,
  );
}

async function resolveSubject(
  raw: RawOptions,
  given: ReadonlySet<keyof RawOptions>,
): Promise<EvalCommandOptions["subject"]> {
  const prompts = raw.prompts === undefined ? null : await readPromptList(raw.prompts);
  if (raw.images.length > 0) {
    const ofPipeline = (["model", "tokens", "scenes", "seeds", "steps", "guidance"] as const).find((key) =>
      given.has(key),
    );
    if (ofPipeline !== undefined) {
      throw new UsageError(`--images are pictures that are there already; it excludes --${ofPipeline}`);
    }
    return { kind: "images", folders: raw.images, prompts };
  }
  const { model } = raw;
  if (model === undefined) throw new UsageError("what to judge is missing: give --images, or --model with --prompts");
  checkTokenUse(raw, given);
  const { force, scenes, tokens, strength, negative, steps, guidance, batch, repack, seed, seeds, maxSequenceLength } =
    raw;
  if (prompts !== null && scenes !== undefined) throw new UsageError("--prompts and --scenes exclude each other");
  if (prompts === null && scenes === undefined) throw new UsageError("prompts are missing: give --prompts or --scenes");
  return {
    kind: "pipeline",
    ...{ model, force, tokens, strength, negative, steps, guidance, batch, repack, seed, seeds, maxSequenceLength },
    ...{ variant: raw.variant, tokenizer: raw.tokenizer, textEncoders: raw.textEncoders },
    source: prompts === null ? { kind: "scenes", count: scenes ?? 0 } : { kind: "prompts", prompts },
  };
}

async function requireThere(option: string, file: string): Promise<void> {
  await stat(file).catch((error: unknown) => {
    throw new InputError(`${option}: no such file or folder: ${file}`, { cause: error });
  });
}
