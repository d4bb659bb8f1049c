/** @file Options of `softrepa edit`. */

import { randomInt } from "node:crypto";
import type { Command } from "commander";
import { z } from "zod";
import { UsageError } from "../../core/errors.js";
import { choice, integer, list, path, pixels, text, torchSeed } from "../../core/option-values.js";
import { requireImageFile } from "../../data/image-format.js";
import { requireInputs } from "../../editing/edit-image.js";
import { type ListedEdit, readEditList, readExperiment, withoutUnusedSource } from "../../editing/edit-list.js";
import type { EditRequest } from "../../editing/edit-request.js";
import { type EditMethodName, editMethod, editMethodNames } from "../../editing/index.js";
import { resizeNames } from "../../editing/sizes.js";
import { planImageFiles, requireRunFolder } from "../../runs/outputs.js";
import {
  checkTokenUse,
  forceField,
  machineFields,
  maxSequenceLengthField,
  modelField,
  modelFileFields,
  samplingFields,
  tokenUseFields,
} from "../common.js";
import type { CommandRun } from "../context.js";
import { defineCommand, group, option, repeated, switchedOff, type ValuesOf } from "../options.js";
import { type GridAxis, parseGrid } from "./edit-grid.js";
import { methodFields, methodOptionNames } from "./method-options.js";

/** A side of a square, or WIDTHxHEIGHT. */
const size = z
  .union(
    [
      pixels.transform((side) => ({ width: side, height: side })),
      z
        .string()
        .regex(/^\d+x\d+$/)
        .transform((typed) => typed.split("x").map(Number))
        .pipe(z.tuple([pixels, pixels]))
        .transform(([width, height]) => ({ width, height })),
    ],
    "must be a number of pixels, or WIDTHxHEIGHT",
  )
  .optional()
  .describe("size of the output, such as 512 or 768x512 (default: the image's)");

function fields() {
  const { repack } = samplingFields();
  return {
    model: modelField(),
    image: option("--image <file>", path.optional().describe("the image to edit: png, jpeg or webp")),
    out: option("--out <path>", path.describe("x.png or a folder; a folder for lists and grids")),
    force: forceField("overwrite an image; allow tokens of another base"),
    ...group("Text", {
      source: option("--source <text>", text.optional().describe("describes the image as it is")),
      target: option("--target <text>", text.optional().describe("describes the edited image")),
      negative: option("--negative <text>", text.optional().describe("negative prompt (default: empty)")),
      maxSequenceLength: maxSequenceLengthField(),
    }),
    ...group("Lists", {
      edits: option(
        "--edits <file>",
        path.optional().describe("list of edits, as FlowEdit's edits.yaml or the SoftREPA authors' JSON"),
      ),
      experiment: option("--experiment <file>", path.optional().describe("settings, as FlowEdit's SD3_exp.yaml")),
      weights: option(
        "--weights <folder>",
        path.optional().describe("weight files of the report's metrics, see docs/metrics.md"),
      ),
    }),
    ...group("Soft tokens", tokenUseFields()),
    ...group("Mask and size", {
      mask: option(
        "--mask <file>",
        path.optional().describe("image whose white pixels may change, or alpha: the image's transparent pixels"),
      ),
      maskGrow: option("--mask-grow <n>", integer(0, 8192).optional().describe("pixels by which the mask grows")),
      feather: option(
        "--feather <n>",
        integer(0, 8192).optional().describe("pixels inside the mask over which the edited image fades in"),
      ),
      paste: switchedOff("--no-paste", "keep the decoded pixels outside the mask, instead of the image's own"),
      resize: option(
        "--resize <how>",
        choice(resizeNames).default("fit").describe("fit, crop or stretch the image to the model's size"),
      ),
      size: option("--size <n>", size),
    }),
    ...group("Method", {
      method: option(
        "--method <name>",
        choice(editMethodNames)
          .optional()
          .describe(
            `${editMethodNames.join(", ")} (default: inpaint with a mask, flowedit for Stable Diffusion 3, otherwise sdedit)`,
          ),
      ),
      seed: option("--seed <n>", torchSeed(-1).default(-1).describe("seed of the noise, -1: random")),
      ...methodFields(),
      grid: repeated(
        "--grid <option=values...>",
        list(text, "must be an option with values")
          .default([])
          .describe("sheet of one or two options, such as n-max=20..40:5 target-guidance=5,9,13.5"),
      ),
      repack,
    }),
    ...modelFileFields(),
    ...machineFields(),
  };
}

type Values = ValuesOf<ReturnType<typeof fields>>;

type OpenOptions = Pick<
  Values,
  | "model"
  | "force"
  | "tokens"
  | "strength"
  | "repack"
  | "maxSequenceLength"
  | keyof ReturnType<typeof modelFileFields>
  | keyof ReturnType<typeof machineFields>
>;

/** Options of one edit and of all edits of a list. */
interface SharedOptions extends OpenOptions {
  /** Undefined: by the model family. */
  readonly method: EditMethodName | undefined;
  /** Options of the method; undefined ones were not typed. */
  readonly methodOptions: Readonly<Record<string, unknown>>;
  /** Of the output; undefined for the image's own size. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
}

type SharedRequest = Pick<EditRequest, "negative" | "maskGrow" | "feather" | "paste" | "resize" | "seed">;

export interface SingleEditOptions extends SharedOptions {
  readonly kind: "single";
  readonly edit: SharedRequest & Pick<EditRequest, "image" | "source" | "target" | "mask">;
  /** The PNG file to write: new, or it may be overwritten. */
  readonly file: string;
}

export interface EditListOptions extends SharedOptions {
  readonly kind: "list";
  /** The file of the list. */
  readonly list: string;
  readonly edits: readonly ListedEdit[];
  /** The seed is that of edits that have none. */
  readonly edit: SharedRequest;
  /** The folder of results. */
  readonly out: string;
  readonly weights: string | undefined;
}

export interface EditGridOptions extends SharedOptions {
  readonly kind: "grid";
  readonly edit: SingleEditOptions["edit"];
  /** One or two. */
  readonly axes: readonly GridAxis[];
  /** The folder of results. */
  readonly out: string;
}

export type EditCommandOptions = SingleEditOptions | EditListOptions | EditGridOptions;

export function editCommand(run: CommandRun<EditCommandOptions>): Command {
  return defineCommand(
    {
      name: "edit",
      description: "edit images by text, with soft tokens or without",
      fields: fields(),
      examples: [
        "softrepa edit --model sd3-medium --image bench.png \\\n" +
          '      --source "a cat on a bench" --target "a dog on a bench" --out dog.png',
        'softrepa edit --model sd15 --image photo.jpg --mask sky.png --target "a sunset" --out sunset.png',
        "softrepa edit --model sd3-medium --tokens tokens.safetensors --edits edits.yaml --out edits/",
      ],
      resolve: async (raw, given) => {
        checkTokenUse(raw, given);
        const values: Readonly<Record<string, unknown>> = raw;
        const methodOptions = Object.fromEntries(methodOptionNames.map((name) => [name, values[name]]));
        return raw.edits === undefined ? singleEdit(raw, methodOptions) : editList(raw, raw.edits, methodOptions);
      },
    },
    run,
  );
}

type MethodOptions = SharedOptions["methodOptions"];

async function singleEdit(raw: Values, methodOptions: MethodOptions): Promise<SingleEditOptions | EditGridOptions> {
  const { source, target, negative, mask, maskGrow, feather, paste, resize, image, out, ...options } = raw;
  if (image === undefined) throw new UsageError("nothing to edit: give `image`, or a list with `edits`");
  if (target === undefined) throw new UsageError("`target` is missing: describe the edited image");
  for (const name of ["experiment", "weights"] as const) {
    if (raw[name] !== undefined) throw new UsageError(`\`${name}\` needs \`edits\``);
  }
  const method = raw.method ?? (mask === undefined ? undefined : "inpaint");
  const seed = raw.seed === -1 ? randomInt(2 ** 31) : raw.seed;
  const edit = { image, source, target, negative, mask, maskGrow, feather, paste, resize, seed };
  // Without a method, this waits for the model family.
  if (method !== undefined) requireInputs(editMethod(method, methodOptions), edit);
  await requireImageFile(image);
  if (mask !== undefined && mask !== "alpha") await requireImageFile(mask);
  if (raw.grid.length > 0) {
    await requireRunFolder(out, raw.force);
    return { ...options, kind: "grid", method, methodOptions, edit, axes: parseGrid(raw.grid), out };
  }
  const [file = out] = await planImageFiles(out, 1, raw.force);
  return { ...options, kind: "single", method, methodOptions, edit, file };
}

async function editList(raw: Values, file: string, typed: MethodOptions): Promise<EditListOptions> {
  for (const name of ["image", "source", "target", "mask"] as const) {
    if (raw[name] !== undefined) throw new UsageError(`the list of \`edits\` has its own; it excludes \`${name}\``);
  }
  if (raw.grid.length > 0) throw new UsageError("`grid` is for one `image`; it excludes `edits`");
  const { negative, maskGrow, feather, paste, resize, ...options } = raw;
  const edits = await readEditList(file);
  const experiment = raw.experiment === undefined ? undefined : await readExperiment(raw.experiment);
  const given = Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== undefined));
  const methodOptions = { ...experiment?.options, ...given };
  const method = raw.method ?? (experiment && "flowedit");
  // Fixed by default, so that a list that was stopped can be continued.
  const seed = raw.seed === -1 ? (experiment?.seed ?? 0) : raw.seed;
  if (method !== undefined) {
    const configured = editMethod(method, methodOptions);
    for (const edit of edits) requireInputs(configured, { ...withoutUnusedSource(edit, configured), negative });
  }
  const edit = { negative, maskGrow, feather, paste, resize, seed };
  return { ...options, kind: "list", list: file, edits, method, methodOptions, edit };
}
