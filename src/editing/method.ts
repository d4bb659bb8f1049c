/** @file What an editing method is: its options, what it is offered for, and the loop from source latents to edited ones. */

import type { z } from "zod";
import { UsageError } from "../core/errors.js";
import type { FloatTensor } from "../core/tensor.js";
import type { Conditioning, FamilyDefaults } from "../pipelines/pipeline.js";
import type { DrawNoise, Scheduler } from "../schedulers/index.js";
import type { Denoise } from "./guided-calls.js";

/** What the options of a method are completed for. */
export interface EditedModel {
  readonly family: string;
  readonly scheduler: Scheduler;
  readonly defaults: Pick<FamilyDefaults, "steps" | "guidanceScale">;
  /** Whether there are soft tokens: some defaults differ with them. */
  readonly softTokens: boolean;
}

/** What a method works with. */
export interface EditContext {
  readonly scheduler: Scheduler;
  /** Clean, scaled latents of the image [1, channels, h, w]. */
  readonly source: FloatTensor;
  /** [1, 1, h, w] of zeros and ones, 1 where the image may change; null for everywhere. */
  readonly mask: FloatTensor | null;
  /** `source` is "" where there is none. */
  readonly prompts: { readonly source: string; readonly target: string };
  encode(prompt: string): Promise<Conditioning>;
  readonly denoise: Denoise;
  /** Unit normal noise of the latents' shape, new at each call. */
  readonly drawNoise: DrawNoise;
  /** Told the latents before the first step and after each. */
  onSample(sample: FloatTensor): void;
}

/** A method with complete options. */
export interface PreparedEdit {
  /** The complete options, as an edited image's settings have them. */
  readonly settings: Readonly<Record<string, number | boolean | string>>;
  /** Sampling steps that run; with none the image stays as it is. */
  readonly stepsRun: number;
  /** Runs of the denoiser, each of one batch. */
  readonly denoiserRuns: number;
  /** The edited latents, clean and scaled as `source` is. */
  run(context: EditContext): Promise<FloatTensor>;
}

/** What is known of a method without its options. */
export interface MethodFacts {
  readonly name: string;
  /** One line for help texts. */
  readonly summary: string;
  /** Names of the families that offer it; null for all. */
  readonly families: readonly string[] | null;
  /** A text that describes the image as it is. */
  readonly sourcePrompt: "required" | "optional" | "unused";
  /** Whether guidance leads away from a negative text. */
  readonly negativePrompt: boolean;
  readonly mask: "required" | "optional";
  /** Whether images are encoded to the mean of the autoencoder's posterior, or to a sample of it, as the method's reference does. */
  readonly posterior: "mean" | "sample";
}

/** A method and its options. */
export interface EditMethod extends MethodFacts {
  /** Completes and checks the options; UsageError where they contradict each other or do not fit the model. */
  prepare(model: EditedModel): PreparedEdit;
}

/** A method without its options: what the file of each method has. */
export interface MethodSpec<Shape extends z.ZodRawShape> extends MethodFacts {
  /** None is required; descriptions are help texts. */
  readonly options: z.ZodObject<Shape>;
  prepare(options: z.output<z.ZodObject<Shape>>, model: EditedModel): PreparedEdit;
}

/** A spec with its options' types forgotten. */
export interface MethodEntry extends MethodFacts {
  /** Each option's schema by its name. */
  readonly options: Readonly<z.ZodRawShape>;
  /** Checks options of any origin and joins them to the method. */
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
