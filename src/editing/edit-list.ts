/** @file Lists of edits: FlowEdit's edits.yaml and experiments (github.com/fallenshock/FlowEdit), and the SoftREPA authors' JSON. */

import { basename, dirname, extname, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { InputError, messageOf } from "../core/errors.js";
import { seed } from "../core/option-values.js";
import { readTextFile } from "../data/text-file.js";
import type { MethodFacts } from "./method.js";

export interface ListedEdit {
  /** Unique in the list, usable as a file name: "0003-dog". */
  readonly name: string;
  /** Path of the image. */
  readonly image: string;
  readonly source: string | undefined;
  readonly target: string;
  /** Path of the mask, or "alpha". */
  readonly mask: string | undefined;
  readonly seed: number | undefined;
}

const text = z.string().min(1);
const texts = z.union([z.array(text).min(1), text.transform((one) => [one])]);

const flowEditEntry = z
  .strictObject({
    input_img: text.optional(),
    init_img: text.optional(),
    source_prompt: text.optional(),
    target_prompts: texts,
    target_codes: texts.optional(),
    mask: text.optional(),
    seed: seed.optional(),
  })
  .transform(({ input_img, init_img, source_prompt, target_prompts, target_codes, ...rest }) => ({
    image: input_img ?? init_img,
    source: source_prompt,
    targets: target_prompts,
    codes: target_codes,
    ...rest,
  }));

const softrepaEntry = z
  .looseObject({ prompt: text, img_path: text, tgt_prompt: texts })
  .transform(({ prompt, img_path, tgt_prompt }) => ({
    image: img_path,
    source: prompt,
    targets: tgt_prompt,
    codes: undefined,
    mask: undefined,
    seed: undefined,
  }));

/** Reads a list; paths in it are relative to its folder. */
export async function readEditList(file: string): Promise<readonly ListedEdit[]> {
  const entries = await readYaml(file);
  if (!Array.isArray(entries) || entries.length === 0) throw new InputError(`${file} is not a list of edits`);
  const pathOf = (path: string) => resolve(dirname(file), path);
  const edits = entries.flatMap((value: unknown, index): Omit<ListedEdit, "name">[] => {
    const isSoftrepa = typeof value === "object" && value !== null && "img_path" in value;
    const parsed = (isSoftrepa ? softrepaEntry : flowEditEntry).safeParse(value);
    const where = `${file}, edit ${index + 1}`;
    if (!parsed.success) throw new InputError(`${where}: ${issueOf(parsed.error)}`);
    const { image, source, targets, mask, codes, seed } = parsed.data;
    if (image === undefined) throw new InputError(`${where}: "input_img" is missing`);
    if (codes !== undefined && codes.length !== targets.length) {
      throw new InputError(`${where}: "target_codes" has ${codes.length} entries, "target_prompts" ${targets.length}`);
    }
    return targets.map((target) => ({
      seed,
      image: pathOf(image),
      source,
      target,
      mask: mask === undefined || mask === "alpha" ? mask : pathOf(mask),
    }));
  });
  return edits.map((edit, index) => ({ ...edit, name: nameOf(index, edit.image) }));
}

function nameOf(index: number, image: string): string {
  const stem = basename(image, extname(image)).replace(/[^\w-]+/g, "-");
  return `${String(index + 1).padStart(4, "0")}-${stem}`;
}

/** Options of FlowEdit, with the names of `flowEdit`. */
export interface Experiment {
  readonly options: Readonly<Record<string, number | undefined>>;
  readonly seed: number | undefined;
}

const experimentSchema = z.looseObject({
  T_steps: z.number().optional(),
  n_avg: z.number().optional(),
  src_guidance_scale: z.number().optional(),
  tar_guidance_scale: z.number().optional(),
  n_min: z.number().optional(),
  n_max: z.number().optional(),
  seed: seed.optional(),
});

/** Reads one experiment of FlowEdit. Other keys of it, such as exp_name, are ignored. */
export async function readExperiment(file: string): Promise<Experiment> {
  const value = await readYaml(file);
  const [experiment, ...others] = Array.isArray(value) ? (value as unknown[]) : [value];
  if (others.length > 0) throw new InputError(`${file} has ${others.length + 1} experiments: give a file with one`);
  const parsed = experimentSchema.safeParse(experiment);
  if (!parsed.success) throw new InputError(`${file}: ${issueOf(parsed.error)}`);
  const { data } = parsed;
  return {
    options: {
      steps: data.T_steps,
      averages: data.n_avg,
      sourceGuidance: data.src_guidance_scale,
      targetGuidance: data.tar_guidance_scale,
      nMin: data.n_min,
      nMax: data.n_max,
    },
    seed: data.seed,
  };
}

/** JSON is YAML too. */
async function readYaml(file: string): Promise<unknown> {
  const content = await readTextFile(file);
  try {
    return parse(content);
  } catch (error) {
    throw new InputError(`${file} is neither YAML nor JSON: ${messageOf(error)}`, { cause: error });
  }
}

function issueOf({ issues: [issue] }: z.ZodError): string {
  const place = issue?.path.join(".") ?? "";
  return place === "" ? `${issue?.message}` : `"${place}": ${issue?.message}`;
}

/** Lists always have source prompts; methods that do not use them get none. */
export function withoutUnusedSource<T extends Pick<ListedEdit, "source">>(
  edit: T,
  { sourcePrompt }: Pick<MethodFacts, "sourcePrompt">,
): T {
  return sourcePrompt === "unused" ? { ...edit, source: undefined } : edit;
}
