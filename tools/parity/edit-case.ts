/** @file Settings of the goldens of editing, and their inputs as methods take them. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "#softrepa/core/errors.js";
import { concatRows, type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import { thresholdMask } from "#softrepa/editing/mask.js";
import { readGrey, readRgb } from "#softrepa/editing/read-image.js";
import { openPipeline } from "#softrepa/families/open.js";
import type { DiffusionPipeline } from "#softrepa/pipelines/pipeline.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { SamplingCache } from "#softrepa/sampling/sampling-cache.js";
import { type SoftTokens, stagesKey } from "#softrepa/softtokens/softtokens.js";
import { GoldenFile, readJson } from "./golden-file.js";

export const editMetaSchema = z.object({
  kind: z.literal("edits"),
  family: z.string(),
  /** Relative to the folder. */
  pipeline: z.string(),
  t5_max_length: z.int().positive().optional(),
});

/** A folder of such goldens, whose pipeline is elsewhere. */
export interface EditSubject {
  readonly folder: string;
  readonly pipeline: DiffusionPipeline;
  readonly cache: SamplingCache;
}

export async function openEditSubject(folder: string, engine: Engine): Promise<EditSubject> {
  const meta = await readJson(folder, "meta.json", editMetaSchema);
  const options = { maxSequenceLength: meta.t5_max_length };
  const pipeline = await openPipeline(join(folder, meta.pipeline), engine, options);
  return { folder, pipeline, cache: new SamplingCache(pipeline) };
}

/** The settings of a case; which there are depends on its method. */
const caseSchema = z.object({
  method: z.string(),
  image: z.string(),
  mask: z.string().optional(),
  posterior: z.enum(["mean", "sample"]).optional(),
  soft: z.boolean(),
  stages: z.array(z.string()).optional(),
  seed: z.int().optional(),
  negative: z.string().optional(),
  steps: z.int(),
  steps_run: z.int().optional(),
  strength: z.number().optional(),
  prompt: z.string().optional(),
  source_prompt: z.string().optional(),
  target_prompt: z.string().optional(),
  guidance_scale: z.number().optional(),
  n_max: z.int().optional(),
  n_min: z.int().optional(),
  n_avg: z.int().optional(),
  source_guidance: z.number().optional(),
  target_guidance: z.number().optional(),
  source_term: z.number().optional(),
  inversion_steps: z.int().optional(),
  inversion_prompt: z.string().optional(),
  feature_threshold: z.number().optional(),
  attention_threshold: z.number().optional(),
  start_step: z.int().optional(),
  start_layer: z.int().optional(),
  reference_latents: z.boolean().optional(),
});
export type EditSettings = z.infer<typeof caseSchema>;

/** One golden with its inputs. */
export class EditCase {
  private constructor(
    readonly subject: EditSubject,
    readonly settings: EditSettings,
    readonly file: GoldenFile,
    readonly softTokens: SoftTokens | null,
  ) {}

  static async open(subject: EditSubject, golden: string): Promise<EditCase> {
    const settings = await readJson(subject.folder, golden.replace(/safetensors$/, "json"), caseSchema);
    const file = await GoldenFile.open(join(subject.folder, golden));
    return new EditCase(subject, settings, file, settings.soft ? await softTokensOf(subject, settings, file) : null);
  }

  /** "zeros" is what the empty text comes to in SDXL. */
  get negative(): string {
    return (this.settings.negative ?? "").replace(/^zeros$/, "");
  }

  async mask() {
    const { mask } = this.settings;
    return mask === undefined ? null : thresholdMask(await readGrey(join(this.subject.folder, mask)));
  }

  /** The golden's draws in their order, each of the latents' shape. */
  async draws(names: readonly string[]): Promise<FloatTensor[]> {
    const { shape } = await this.file.tensor("source");
    const size = shape.reduce((product, axis) => product * axis, 1);
    const draws: FloatTensor[] = [];
    for (const name of names.filter((one) => this.file.has(one))) {
      const { data } = await this.file.tensor(name);
      for (let from = 0; from < data.length; from += size) {
        draws.push(floatTensor(shape, data.slice(from, from + size)));
      }
    }
    return draws;
  }
}

/** An image of the folder [1, 3, H, W]. */
export async function readImage({ folder }: EditSubject, name: string): Promise<FloatTensor> {
  const { pixels } = await readRgb(join(folder, name));
  return floatTensor([1, ...pixels.shape], pixels.data);
}

/** Hands out `draws` one after the other. */
export function drawsOf(draws: readonly FloatTensor[]): () => FloatTensor {
  const rest = [...draws];
  return () => {
    const draw = rest.shift();
    if (draw === undefined) throw new InputError("the golden has not as much noise as the method draws");
    return draw;
  };
}

/** Samples along a new first axis. */
export function stacked(samples: readonly FloatTensor[]): FloatTensor {
  const { shape, data } = concatRows(samples);
  return floatTensor([samples.length, shape[0] / samples.length, ...shape.slice(1)], data);
}

async function softTokensOf(subject: EditSubject, settings: EditSettings, file: GoldenFile): Promise<SoftTokens> {
  const tokens = await file.tensor("tokens");
  return {
    placement: subject.pipeline.softTokenLayout.placement,
    tokens: tokens.shape.length === 2 ? floatTensor([1, ...tokens.shape], tokens.data) : tokens,
    timeTable: file.has("t_tokens") ? await file.tensor("t_tokens") : null,
    metadata: settings.stages ? { [stagesKey]: settings.stages.join(",") } : {},
  };
}
