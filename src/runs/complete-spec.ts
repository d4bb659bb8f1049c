/** @file Completes a `RunSpec`: fills in preset and defaults, checks options together and reads list files. */

import { UsageError } from "../core/errors.js";
import { readListFile } from "../data/text-file.js";
import { presets } from "./presets.js";
import { type RunSpec, type RunSpecInput, runSpec } from "./run-spec.js";
import { readWeightedPath, type WeightedPath } from "./weighted-path.js";

/** The complete options of a run. */
export interface CompleteSpec extends Omit<RunSpec, "data" | "samplePromptsFile"> {
  readonly data: readonly WeightedPath[];
}

/** Some options of a run. */
export type RunOptions = { readonly [Key in keyof RunSpecInput]?: RunSpecInput[Key] | undefined };

const tokenLayout = ["layers", "tokens", "buckets", "width", "stages"] as const;

/** Options with fallbacks, such as those of a file. Steps or epochs replace both of the fallback. */
export function withFallback(options: RunOptions, fallback: RunOptions): RunOptions {
  const { steps, epochs, ...rest } = fallback;
  const length = options.steps === undefined && options.epochs === undefined ? { steps, epochs } : {};
  return definedOptions({ ...rest, ...length, ...definedOptions(options) });
}

/** Describes options that exclude each other; undefined if there are none. */
export function contradiction(options: RunOptions): string | undefined {
  const chosen = tokenLayout.find((name) => options[name] !== undefined);
  if (options.initTokens !== undefined && chosen !== undefined) {
    return `\`${chosen}\` cannot be given with \`initTokens\`, whose file determines it`;
  }
  if (options.steps !== undefined && options.epochs !== undefined) return "`steps` and `epochs` exclude each other";
  return undefined;
}

/** @throws UsageError if an option is wrong or options exclude each other */
export async function completeSpec(written: RunOptions): Promise<CompleteSpec> {
  const fault = contradiction(written);
  if (fault !== undefined) throw new UsageError(fault);
  const { preset } = written;
  const { data: parsed, error } = runSpec.safeParse(
    withFallback(written, (preset !== undefined && presets.get(preset)) || {}),
  );
  if (error !== undefined) {
    const [issue] = error.issues;
    if (issue?.code === "unrecognized_keys") throw new UsageError(`a run has no option ${issue.keys.join(", ")}`);
    throw new UsageError(`\`${String(issue?.path[0])}\` ${issue?.message}`);
  }
  const { data, samplePromptsFile, ...spec } = parsed;
  checkTogether(parsed, written);
  const prompts =
    samplePromptsFile === undefined ? spec.samplePrompts : await readListFile(samplePromptsFile, "prompt");
  if (spec.sampleEvery !== undefined && prompts.length === 0) {
    throw new UsageError("`sampleEvery` needs `samplePrompts` or `samplePromptsFile`");
  }
  const sets = await Promise.all(data.map((set) => (typeof set === "string" ? readWeightedPath(set) : set)));
  return { ...spec, data: sets, samplePrompts: prompts };
}

function checkTogether(spec: RunSpec, written: RunOptions): void {
  const { minimumLearningRate: minimum, learningRate } = spec;
  if (minimum > learningRate) {
    throw new UsageError(`\`minimumLearningRate\` ${minimum} is above \`learningRate\` ${learningRate}`);
  }
  const validates = spec.holdOut > 0 || spec.validation !== undefined;
  if (spec.holdOut > 0 && spec.validation !== undefined) {
    throw new UsageError("`holdOut` and `validation` exclude each other");
  }
  if (spec.validateEvery !== undefined && !validates) {
    throw new UsageError("`validateEvery` needs `holdOut` or `validation`");
  }
  if (spec.latentsCache === undefined && written.latentsCacheLimit !== undefined) {
    throw new UsageError("`latentsCacheLimit` needs `latentsCache`");
  }
  if (spec.latentsCache !== undefined && spec.crop === "random") {
    throw new UsageError("`latentsCache` has no effect with `crop` random, which never crops an image twice alike");
  }
  if (spec.samplePromptsFile !== undefined && spec.samplePrompts.length > 0) {
    throw new UsageError("`samplePrompts` and `samplePromptsFile` exclude each other");
  }
}

function definedOptions(options: RunOptions): RunOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
