/** @file Options that several commands share. */

import { z } from "zod";
import { UsageError } from "../core/errors.js";
import { type UnetStage, unetStages } from "../pipelines/pipeline.js";
import { libraries, precisions, providers } from "../runtime/engine.js";
import type { EngineRequest } from "../runtime/open-engine.js";
import { parseStages } from "../softtokens/softtokens.js";
import {
  choice,
  defaulted,
  type FieldsOf,
  flag,
  type Kind,
  optional,
  path,
  real,
  repeated,
  text,
  whole,
} from "./options.js";

/** What runs graphs, where and how; `auto` takes the fastest that works here. */
const engineNames = ["auto", ...libraries] as const;
const providerNames = ["auto", ...providers] as const;
const precisionNames = ["auto", ...precisions] as const;

/** docs/experiments/precision.md tells why there are no others. */
const precision: Kind<(typeof precisionNames)[number]> = {
  ...choice(precisionNames),
  what: "auto, fp32 (onnxruntime, OpenVINO) or bf16 (OpenVINO alone, on processors that have it)",
};

/** Largest seed: 32 bits, as in other tools. */
export const maxSeed = 2 ** 32 - 1;

/** Which files make up the model; every command that opens one has these. */
export interface ModelFileOptions {
  /** Of a folder: `fp16` takes `*.fp16.safetensors`. */
  readonly variant: string | undefined;
  /** Folders with the tokenizers of a checkpoint file. */
  readonly tokenizer: readonly string[];
  /** Folder with the text encoders that a checkpoint file lacks. */
  readonly textEncoders: string | undefined;
}

/** Fresh fields for one command (commander keeps state in them). */
export function modelFileFields(): FieldsOf<ModelFileOptions> {
  return {
    variant: optional("--variant <name>", "of a folder: weight files to take, such as fp16", text),
    tokenizer: repeated("--tokenizer <folder>", "of a checkpoint file; CLIP's own is built in", path),
    textEncoders: optional("--text-encoders <folder>", "those that a checkpoint file lacks", path),
  };
}

/** How and where to run; every command that opens a model has these. */
export interface MachineOptions {
  readonly engine: (typeof engineNames)[number];
  readonly provider: (typeof providerNames)[number];
  readonly precision: (typeof precisionNames)[number];
  /** CPU threads; all cores without it. */
  readonly threads: number | undefined;
  readonly json: boolean;
}

export function machineFields(): FieldsOf<MachineOptions> {
  return {
    engine: defaulted("--engine <name>", "onnxruntime or openvino", choice(engineNames), "auto"),
    provider: defaulted("--provider <name>", "cpu, webgpu, cuda, dml or coreml", choice(providerNames), "auto"),
    precision: defaulted("--precision <name>", "fp32 or bf16", precision, "auto"),
    threads: optional("--threads <n>", "CPU threads (default: all cores)", whole(1, 1024)),
    json: flag("--json", "print one JSON event a line"),
  };
}

export function engineRequest({ engine, provider, precision, threads = 0 }: MachineOptions): EngineRequest {
  return { engine, provider, precision, threads };
}

/** Stages of a UNet. */
export const stages: Kind<readonly UnetStage[]> = {
  schema: z
    .string()
    .transform(parseStages)
    .pipe(z.array(z.enum(unetStages))),
  config: z.array(z.enum(unetStages)).min(1),
  what: `one or more of ${unetStages.join(", ")}, such as down,mid`,
};

/** Soft tokens to use with a model. */
export interface TokenUseOptions {
  /** A token file; the plain model without it. */
  readonly tokens: string | undefined;
  /** 0 switches the tokens off, 1 is as trained. */
  readonly strength: number;
}

export function tokenUseFields(): FieldsOf<TokenUseOptions> {
  return {
    tokens: optional("--tokens <file>", "soft tokens (default: none)", path),
    strength: defaulted("--strength <x>", "strength of the soft tokens, 0 to 1", real(0, 1), 1),
  };
}

/** Refuses a strength for tokens that are not there. */
export function checkTokenUse(options: TokenUseOptions, given: ReadonlySet<string>): void {
  if (given.has("strength") && options.tokens === undefined) throw new UsageError("--strength needs --tokens");
}
