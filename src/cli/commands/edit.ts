/** @file Options of `softrepa edit`. */

import { randomInt } from "node:crypto";
import type { Command } from "commander";
import { z } from "zod";
import { choice, integer, maxSeed, path, pixels, text } from "../../core/option-values.js";
import { requireImageFile } from "../../data/image-format.js";
import { requireInputs } from "../../editing/edit-image.js";
import type { EditRequest } from "../../editing/edit-request.js";
import { type EditMethodName, editMethod, editMethodNames } from "../../editing/index.js";
import { resizeNames } from "../../editing/sizes.js";
import { planImageFiles } from "../../runs/outputs.js";
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
import { defineCommand, group, option, switchedOff, type ValuesOf } from "../options.js";
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
    image: option("--image <file>", path.describe("the image to edit: png, jpeg or webp")),
    out: option("--out <path>", path.describe("x.png or a folder")),
    force: forceField("overwrite an image; allow tokens of another base"),
    ...group("Text", {
      source: option("--source <text>", text.optional().describe("describes the image as it is")),
      target: option("--target <text>", text.describe("describes the edited image")),
      negative: option("--negative <text>", text.optional().describe("negative prompt (default: empty)")),
      maxSequenceLength: maxSequenceLengthField(),
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
      seed: option("--seed <n>", integer(-1, maxSeed).default(-1).describe("seed of the noise, -1: random")),
      ...methodFields(),
      repack,
    }),
    ...modelFileFields(),
    ...machineFields(),
  };
}

type Values = ValuesOf<ReturnType<typeof fields>>;

export interface EditCommandOptions
  extends Pick<
    Values,
    | "model"
    | "force"
    | "tokens"
    | "strength"
    | "repack"
    | "maxSequenceLength"
    | keyof ReturnType<typeof modelFileFields>
    | keyof ReturnType<typeof machineFields>
  > {
  /** Undefined: by the model family. */
  readonly method: EditMethodName | undefined;
  /** Options of the method; undefined ones were not typed. */
  readonly methodOptions: Readonly<Record<string, unknown>>;
  readonly edit: Pick<
    EditRequest,
    "image" | "source" | "target" | "negative" | "mask" | "maskGrow" | "feather" | "paste" | "resize" | "seed"
  >;
  /** Of the output; undefined for the image's own size. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  /** The PNG file to write: new, or it may be overwritten. */
  readonly file: string;
}

export function editCommand(run: CommandRun<EditCommandOptions>): Command {
  return defineCommand(
    {
      name: "edit",
      description: "edit an image by text, with soft tokens or without",
      fields: fields(),
      examples: [
        "softrepa edit --model sd3-medium --image bench.png \\\n" +
          '      --source "a cat on a bench" --target "a dog on a bench" --out dog.png',
        'softrepa edit --model sd15 --image photo.jpg --mask sky.png --target "a sunset" --out sunset.png',
      ],
      resolve: async (raw, given) => {
        checkTokenUse(raw, given);
        const { source, target, negative, mask, maskGrow, feather, paste, resize, size, image, out, ...options } = raw;
        const method = raw.method ?? (mask === undefined ? undefined : "inpaint");
        const values: Readonly<Record<string, unknown>> = raw;
        const methodOptions = Object.fromEntries(methodOptionNames.map((name) => [name, values[name]]));
        const seed = raw.seed === -1 ? randomInt(2 ** 31) : raw.seed;
        const edit = { image, source, target, negative, mask, maskGrow, feather, paste, resize, seed };
        // Without a method, this waits for the model family.
        if (method !== undefined) requireInputs(editMethod(method, methodOptions), edit);
        await requireImageFile(image);
        if (mask !== undefined && mask !== "alpha") await requireImageFile(mask);
        const [file = out] = await planImageFiles(out, 1, raw.force);
        return { ...options, method, methodOptions, edit, size, file };
      },
    },
    run,
  );
}
