/** @file A family folder under test: its settings, its pipeline, and the soft tokens of its goldens. */

import { join } from "node:path";
import { z } from "zod";
import { floatTensor } from "#softrepa/core/tensor.js";
import { openPipeline } from "#softrepa/families/open.js";
import { type DiffusionPipeline, unetStages } from "#softrepa/pipelines/pipeline.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { type SoftTokens, stagesKey } from "#softrepa/softtokens/softtokens.js";
import type { Comparison } from "./compare.js";
import { type GoldenFile, type Meta, metaSchema, readJson } from "./golden-file.js";

/** An opened family folder. */
export interface Subject {
  readonly folder: string;
  readonly meta: Meta;
  readonly pipeline: DiffusionPipeline;
}

/** Compares everything in one golden file. */
export type Check = (subject: Subject, golden: string) => AsyncGenerator<Comparison>;

export async function openSubject(folder: string, engine: Engine): Promise<Subject> {
  const meta = await readJson(folder, "meta.json", metaSchema);
  const options = { maxSequenceLength: meta.t5_max_length };
  return { folder, meta, pipeline: await openPipeline(join(folder, "pipeline"), engine, options) };
}

/** The format of text.json and prompts.json. */
export const textSchema = z.looseObject({ prompts: z.array(z.string()) });

/** The stages of goldens without stages in their names: the default of the authors' module, which differs from their scripts' default. */
const defaultStages = "TTF";

/** The soft tokens of a golden; its name contains a UNet's stages (`softrepa-TFF`: only the down blocks). */
export async function softTokensOf(
  { pipeline }: Subject,
  golden: string,
  file: GoldenFile,
  names: { readonly tokens: string; readonly table: string },
): Promise<SoftTokens> {
  const tokens = await file.tensor(names.tokens);
  const flags = /-([TF]{3})\.safetensors$/.exec(golden)?.[1] ?? defaultStages;
  const stages = unetStages.filter((_, index) => flags[index] === "T");
  return {
    placement: pipeline.softTokenLayout.placement,
    tokens: tokens.shape.length === 2 ? floatTensor([1, ...tokens.shape], tokens.data) : tokens,
    timeTable: file.has(names.table) ? await file.tensor(names.table) : null,
    metadata: { [stagesKey]: stages.join(",") },
  };
}
