/** @file Options that several commands share. */

import { UsageError } from "../core/errors.js";
import { flag, integer, number, path, text } from "../core/option-values.js";
import { machineOptions, modelFileOptions, runSpec } from "../runs/run-spec.js";
import type { EngineRequest } from "../runtime/open-engine.js";
import { group, option, repeated, type ValuesOf } from "./options.js";

/** New fields for each command, because commander keeps state in them. */
export function jsonField() {
  return option("--json", flag.describe("print JSON events, one per line"));
}

/** Engine, device and precision, for every command that opens a model. */
export function machineFields() {
  return group("Machine", {
    engine: option("--engine <name>", machineOptions.engine),
    provider: option("--provider <name>", machineOptions.provider),
    precision: option("--precision <name>", machineOptions.precision),
    threads: option("--threads <n>", machineOptions.threads),
    json: jsonField(),
  });
}
export type MachineOptions = ValuesOf<ReturnType<typeof machineFields>>;

export function engineRequest({
  engine,
  provider,
  precision,
  threads = 0,
}: Omit<MachineOptions, "json" | "threads"> & { readonly threads?: number | undefined }): EngineRequest {
  return { engine, provider, precision, threads };
}

/** Files of the model, for every command that opens one. */
export function modelFileFields() {
  return group("Model files", {
    variant: option("--variant <name>", modelFileOptions.variant),
    tokenizers: repeated("--tokenizer <folder>", modelFileOptions.tokenizers),
    textEncoders: option("--text-encoders <folder>", modelFileOptions.textEncoders),
  });
}
export type ModelFileOptions = ValuesOf<ReturnType<typeof modelFileFields>>;

const { model } = runSpec.shape;

/** The model, for commands that require one. */
export function modelField() {
  return option("--model <path>", path.describe(model.description ?? ""));
}

export function optionalModelField(placeholder = "<path>", help = model.description ?? "") {
  return option(`--model ${placeholder}`, path.optional().describe(help));
}

/** Text length of T5; undefined means the default of the family. */
export function maxSequenceLengthField() {
  return option("--max-sequence-length <n>", runSpec.shape.maxSequenceLength);
}

/** Soft tokens to use with a model. */
export function tokenUseFields() {
  return {
    tokens: option("--tokens <file>", path.optional().describe("soft tokens (default: none)")),
    strength: option("--strength <x>", number(0, 1).default(1).describe("strength of the soft tokens, 0 to 1")),
  };
}
export type TokenUseOptions = ValuesOf<ReturnType<typeof tokenUseFields>>;

/** @throws UsageError if a strength is given without tokens */
export function checkTokenUse(options: TokenUseOptions, given: ReadonlySet<string>): void {
  if (given.has("strength") && options.tokens === undefined) throw new UsageError("`strength` needs `tokens`");
}

/** Sampling options; undefined means the default of the family. */
export function samplingFields() {
  return {
    negative: option("--negative <text>", text.default("").describe("negative prompt (default: empty)")),
    steps: option("--steps <n>", integer(1, 1000).optional().describe("denoising steps (default: by family)")),
    guidance: option("--guidance <x>", number(0).optional().describe("guidance scale, 1: off (default: by family)")),
    batch: option("--batch <n>", integer(1, 4096).default(1).describe("images denoised together")),
    repack: option("--repack", flag.describe("copy weights into faster layouts, for many images")),
    maxSequenceLength: maxSequenceLengthField(),
  };
}

/** `--force`, which allows to overwrite results. */
export function forceField(help: string) {
  return option("--force", flag.describe(help));
}
