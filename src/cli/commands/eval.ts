/** @file Options of `softrepa eval`. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { InputError, UsageError } from "../../core/errors.js";
import { integer, list, path, seed } from "../../core/option-values.js";
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
import { defineCommand, group, option, repeated, type ValuesOf } from "../options.js";

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
    out: option("--out <folder>", path.describe("folder for report.html, scores and images")),
    force: forceField("overwrite a folder; allow tokens of another base"),
    ...group("What to evaluate: folders of images ...", {
      images: repeated(
        "--images <folder...>",
        list(path, "must be a path").default([]).describe("one folder per variant, the baseline first"),
      ),
    }),
    ...group("... or a pipeline, with and without tokens", {
      model: optionalModelField(),
      ...tokenUseFields(),
      scenes: option("--scenes <n>", integer(1, 100000).optional().describe("sample n prompts about built-in scenes")),
      seeds: option("--seeds <n>", integer(1, 1000).default(1).describe("images per prompt")),
      seed: option("--seed <n>", seed.default(0).describe("first seed; every image has its own")),
      ...samplingFields(),
    }),
    ...group("Prompts", {
      prompts: option("--prompts <file>", path.optional().describe("one per line, or .jsonl in the format of GenEval")),
    }),
    ...group("Metrics", {
      weights: option(
        "--weights <folder>",
        path.optional().describe("weight files of the metrics, see docs/metrics.md"),
      ),
      metrics: option("--metrics <list>", metrics),
      reference: option("--reference <path>", path.optional().describe("for FID: a folder, or statistics .npz")),
      saveStatistics: option(
        "--save-statistics <file>",
        path.optional().describe("write the statistics of FID as .npz"),
      ),
      cache: option("--cache <folder>", path.optional().describe("feature cache (default: OUT/features)")),
    }),
    ...modelFileFields(),
    ...machineFields(),
  };
}

type Values = ValuesOf<ReturnType<typeof fields>>;

/** Folders of images, one per variant, or a pipeline that generates them. */
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
      description: "evaluate images by the metrics of the paper",
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
        if (reference !== undefined) await requireExisting("reference", reference);
        if (weights !== undefined) await requireExisting("weights", weights);
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
      throw new UsageError(`\`images\` names existing images; it excludes \`${ofPipeline}\``);
    }
    return { kind: "images", folders: raw.images, prompts };
  }
  const { model, scenes } = raw;
  if (model === undefined) throw new UsageError("nothing to evaluate: give `images`, or `model` with `prompts`");
  checkTokenUse(raw, given);
  if (prompts !== null && scenes !== undefined) throw new UsageError("`prompts` and `scenes` exclude each other");
  if (prompts !== null) return { kind: "pipeline", model, source: { kind: "prompts", prompts } };
  if (scenes === undefined) throw new UsageError("prompts are missing: give `prompts` or `scenes`");
  return { kind: "pipeline", model, source: { kind: "scenes", count: scenes } };
}

async function requireExisting(name: string, file: string): Promise<void> {
  await stat(file).catch((error: unknown) => {
    throw new InputError(`\`${name}\`: no such file or folder: ${file}`, { cause: error });
  });
}
