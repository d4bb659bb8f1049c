/** @file The interface of editing methods: options, supported families, and the loop from source latents to edited latents. */

import type { z } from "zod";
import { UsageError } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { Conditioning, FamilyDefaults } from "../pipelines/pipeline.js";
import type { DrawNoise, Scheduler } from "../schedulers/index.js";
import type { Denoise } from "./guided-calls.js";

/** The model that a method is prepared for. */
export interface EditedModel {
  readonly family: string;
  readonly scheduler: Scheduler;
  readonly defaults: Pick<FamilyDefaults, "steps" | "guidanceScale">;
  /** Whether soft tokens are used; some defaults depend on it. */
  readonly softTokens: boolean;
}

/** Inputs and operations of a running method. */
export interface EditContext {
  readonly scheduler: Scheduler;
  /** Clean, scaled latents of the image [1, channels, h, w]. */
  readonly source: FloatTensor;
  /** [1, 1, h, w] of zeros and ones, 1 where the image may change; null without a mask. */
  readonly mask: FloatTensor | null;
  /** `source` is "" if none was given. */
  readonly prompts: { readonly source: string; readonly target: string };
  /** Encodes one prompt; known prompts come from the cache. */
  encode(prompt: string): Promise<Conditioning>;
  readonly denoise: Denoise;
  /** Draws unit normal noise of the latents' shape. */
  readonly drawNoise: DrawNoise;
  /** Receives the latents before the first step and after each step. */
  onSample(sample: FloatTensor): void;
}

/** A method with all its options filled in and checked. */
export interface PreparedEdit {
  /** All options, recorded in the edited image. */
  readonly settings: Readonly<Record<string, number | boolean | string>>;
  /** Sampling steps that run; with 0 the image is unchanged. */
  readonly stepsRun: number;
  /** Denoiser runs, one batch each. */
  readonly denoiserRuns: number;
  /** Returns the edited latents, clean and scaled like `source`. */
  run(context: EditContext): Promise<FloatTensor>;
}

/** Properties of a method that do not depend on its options. */
export interface MethodFacts {
  readonly name: string;
  /** One line for help texts. */
  readonly summary: string;
  /** Names of the supported families; null for all. */
  readonly families: readonly string[] | null;
  /** Whether the method uses a prompt that describes the unedited image. */
  readonly sourcePrompt: "required" | "optional" | "unused";
  /** Whether guidance uses a negative prompt. */
  readonly negativePrompt: boolean;
  readonly mask: "required" | "optional";
  /** Whether the image is encoded to the mean or to a sample of the autoencoder's posterior, as in the method's reference implementation. */
  readonly posterior: "mean" | "sample";
}

/** A method with its options. */
export interface EditMethod extends MethodFacts {
  /** Fills in defaults and checks the options; UsageError if they contradict each other or do not fit the model. */
  prepare(model: EditedModel): PreparedEdit;
}

/** The definition of a method, exported by its file. */
export interface MethodSpec<Shape extends z.ZodRawShape> extends MethodFacts {
  /** All are optional; their descriptions are help texts. */
  readonly options: z.ZodObject<Shape>;
  prepare(options: z.output<z.ZodObject<Shape>>, model: EditedModel): PreparedEdit;
}

/** A definition without the types of its options, for lists of methods. */
export interface MethodEntry extends MethodFacts {
  /** Schemas by option name. */
  readonly options: Readonly<z.ZodRawShape>;
  /** Checks options from any source; UsageError for a wrong value. */
  configure(given: unknown): EditMethod;
}

export function methodEntry<Shape extends z.ZodRawShape>(spec: MethodSpec<Shape>): MethodEntry {
  const { options, prepare, ...facts } = spec;
  return {
    ...facts,
    options: options.shape,
    configure(given) {
      const parsed = options.safeParse(given);
      if (!parsed.success) {
        const [issue] = parsed.error.issues;
        throw new UsageError(`\`${issue?.path.join(".")}\` ${issue?.message}`);
      }
      return {
        ...facts,
        prepare(model) {
          requireOffered(facts, model.family);
          return prepare(parsed.data, model);
        },
      };
    },
  };
}

function requireOffered({ name, families }: MethodFacts, family: string): void {
  if (families === null || families.includes(family)) return;
  throw new UsageError(`\`method\` ${name} is not offered for ${family}, only for ${families.join(", ")}`);
}
