/** @file `softrepa eval`: its options. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { InputError, UsageError } from "../../core/errors.js";
import { list, path, seed, whole } from "../../core/option-values.js";
import { type MetricName, metricNames } from "../../evaluation/metrics/registry.js";
import { type ListedPrompt, readPromptList } from "../../evaluation/run/index.js";
import { requireRunFolder } from "../../runs/outputs.js";
import {
  checkTokenUse,
  forceField,
  machineFields,
  modelFileFields,
  optionalModelField,
  samplingFields,
  tokenUseFields,
} from "../common.js";
import type { CommandRun } from "../context.js";
import { defineCommand, option, repeated, under, type ValuesOf } from "../options.js";

const canonical = new Map(metricNames.map((name) => [name.toLowerCase(), name]));
const wrongMetrics = `must be one or more of ${metricNames.join(",")}`;
const metrics = z
  .array(
    z
      .string()
      .transform((name) => canonical.get(name.toLowerCase()))
      .pipe(z.enum(metricNames, wrongMetrics)),
    wrongMetrics,
  )
  .min(1, wrongMetrics)
  .transform((names): readonly MetricName[] => names)
  .default([...metricNames])
  .describe("such as CLIPScore,FID (default: all)");

function fields() {
  return {
    out: option("--out <folder>", path.describe("where report.html, scores and pictures go")),
    force: forceField("overwrite a folder; use tokens of another base"),
    ...under("What to judge: folders of pictures ...", {
      images: repeated(
        "--images <folder...>",
        list(path, "must be a path").default([]).describe("one folder a variant, the baseline first"),
      ),
    }),
    ...under("... or a pipeline, with and without tokens", {
      model: optionalModelField(),
      ...tokenUseFields(),
      scenes: option("--scenes <n>", whole(1, 100000).optional().describe("draw n prompts of the built-in world")),
      seeds: option("--seeds <n>", whole(1, 1000).default(1).describe("pictures a prompt")),
      seed: option("--seed <n>", seed.default(0).describe("first seed; every picture has its own")),
      ...samplingFields(),
    }),
    ...under("Prompts", {
      prompts: option("--prompts <file>", path.optional().describe("one a line, or .jsonl as GenEval has them")),
    }),
    ...under("Metrics", {
      weights: option("--weights <folder>", path.optional().describe("the metrics' weight files, see docs/metrics.md")),
      metrics: option("--metrics <list>", metrics),
      reference: option("--reference <path>", path.optional().describe("of FID: a folder, or statistics .npz")),
      saveStatistics: option("--save-statistics <file>", path.optional().describe("write FID's statistics .npz")),
      cache: option("--cache <folder>", path.optional().describe("of features (default: OUT/features)")),
    }),
    ...modelFileFields(),
    ...machineFields(),
  };
}

type Values = ValuesOf<ReturnType<typeof fields>>;

/** Folders of pictures, one a variant, or a pipeline to make them. */
export type EvalSubject =
  | { readonly kind: "images"; readonly folders: readonly string[]; readonly prompts: readonly ListedPrompt[] | null }
  /** `source`: scenes of the built-in world, or lines of a file. */
  | { readonly kind: "pipeline"; readonly model: string; readonly source: PromptSource };

export type PromptSource =
  | { readonly kind: "scenes"; readonly count: number }
  | { readonly kind: "prompts"; readonly prompts: readonly ListedPrompt[] };

/** `force`: use tokens that were trained on another base; that the folder is overwritten too is settled already. */
export interface EvalCommandOptions extends Omit<Values, "cache" | "images" | "model" | "scenes" | "prompts"> {
  /** Where features are kept. */
  readonly cache: string;
  readonly subject: EvalSubject;
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
        const { images, model, scenes, prompts, ...options } = raw;
        const { out, force, weights, reference, saveStatistics, cache = join(out, "features") } = options;
        const subject = await resolveSubject(raw, given);
        await requireRunFolder(out, force);
        if (reference !== undefined) await requireThere("reference", reference);
        if (weights !== undefined) await requireThere("weights", weights);
        if (saveStatistics !== undefined && !saveStatistics.endsWith(".npz")) {
          throw new UsageError(`\`saveStatistics\` ${saveStatistics} must end in .npz`);
        }
        return { ...options, cache, subject };
      },
    },
    run,
  );
}

async function resolveSubject(raw: Values, given: ReadonlySet<keyof Values>): Promise<EvalSubject> {
  const prompts = raw.prompts === undefined ? null : await readPromptList(raw.prompts);
  if (raw.images.length > 0) {
    const ofPipeline = (["model", "tokens", "scenes", "seeds", "steps", "guidance"] as const).find((key) =>
      given.has(key),
    );
    if (ofPipeline !== undefined) {
      throw new UsageError(`\`images\` are pictures that are there already; it excludes \`${ofPipeline}\``);
    }
    return { kind: "images", folders: raw.images, prompts };
  }
  const { model, scenes } = raw;
  if (model === undefined) throw new UsageError("what to judge is missing: give `images`, or `model` with `prompts`");
  checkTokenUse(raw, given);
  if (prompts !== null && scenes !== undefined) throw new UsageError("`prompts` and `scenes` exclude each other");
  if (prompts !== null) return { kind: "pipeline", model, source: { kind: "prompts", prompts } };
  if (scenes === undefined) throw new UsageError("prompts are missing: give `prompts` or `scenes`");
  return { kind: "pipeline", model, source: { kind: "scenes", count: scenes } };
}

async function requireThere(name: string, file: string): Promise<void> {
  await stat(file).catch((error: unknown) => {
    throw new InputError(`\`${name}\`: no such file or folder: ${file}`, { cause: error });
  });
}
