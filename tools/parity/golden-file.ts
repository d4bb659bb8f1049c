/** @file Reads goldens: safetensors files of inputs and expected outputs, with their JSON files. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "#softrepa/core/errors.js";
import type { FloatTensor } from "#softrepa/core/tensor.js";
import { openSafetensors, readTensor } from "#softrepa/weights/safetensors.js";
import type { WeightSource } from "#softrepa/weights/source.js";

/** The tensors of one golden file, by name. */
export class GoldenFile {
  private constructor(private readonly source: WeightSource) {}

  static async open(file: string): Promise<GoldenFile> {
    return new GoldenFile(await openSafetensors(file));
  }

  has(name: string): boolean {
    return this.source.tensors.has(name);
  }

  tensor(name: string): Promise<FloatTensor> {
    const stored = this.source.tensors.get(name);
    if (stored === undefined) throw new InputError(`${this.source.origin} has no tensor ${name}`);
    return readTensor(stored);
  }
}

/** The fields of meta.json that the checks use. */
export const metaSchema = z.object({
  family: z.string(),
  t5_max_length: z.int().positive().optional(),
  sample: z.object({
    scheduler: z.string().optional(),
    steps: z.int().positive(),
    guidance_scale: z.number(),
    prompts: z.array(z.string()),
    negative: z.string(),
  }),
  flowedit: z
    .object({
      steps: z.int().positive(),
      n_start: z.int().positive(),
      source_guidance: z.number(),
      target_guidance: z.number(),
      source: z.string(),
      target: z.string(),
    })
    .optional(),
  softrepa: z.object({
    temperature: z.number(),
    scale: z.number(),
    dweight: z.number(),
    lr: z.number(),
    weight_decay: z.number(),
    betas: z.tuple([z.number(), z.number()]),
    eps: z.number(),
  }),
});
export type Meta = z.infer<typeof metaSchema>;

export async function readJson<T>(folder: string, name: string, schema: z.ZodType<T>): Promise<T> {
  const file = join(folder, name);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new InputError(`${file}: ${messageOf(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InputError(`${file}: "${issue.path.join(".")}": ${issue.message}`);
}
