/** @file One CLIP text encoder of a pipeline: its tokenizer, its graph and the prompts it truncates. */

import { InputError } from "../core/errors.js";
import { intTensor } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { input } from "../graph/ops.js";
import {
  type ClipTextConfig,
  type ClipTextOutputs,
  clipTextConfigSchema,
  clipTextEncoder,
  clipTextIgnoredKeys,
  eosPosition,
} from "../models/clip-text.js";
import type { TextTokenizer } from "../models/tokenizer/index.js";
import { Weights } from "../models/weights.js";
import type { NamedTensors } from "../runtime/engine.js";
import type { WeightSource } from "../weights/source.js";
import { openComponentWeights } from "./component-weights.js";
import { openPipelineClip, type PipelineFolder, readComponentJson } from "./folder.js";
import type { PipelineFileOptions } from "./open-options.js";
import type { TruncatedPrompt } from "./pipeline.js";

export interface ClipPart {
  /** Prefix of its input names, unique within the pipeline. */
  readonly name: string;
  readonly tokenizer: TextTokenizer;
  readonly config: ClipTextConfig;
  readonly weights: WeightSource;
}

/** Opens `tokenizer` and `text_encoder` with `suffix` "" or "_2". */
export async function openClipPart(
  folder: PipelineFolder,
  suffix: string,
  options: PipelineFileOptions,
): Promise<ClipPart> {
  return {
    name: `clip${suffix}`,
    tokenizer: await openPipelineClip(folder, `tokenizer${suffix}`),
    config: await readComponentJson(folder, `text_encoder${suffix}`, "config.json", clipTextConfigSchema),
    weights: await openComponentWeights(folder, `text_encoder${suffix}`, "model", options.variant),
  };
}

/** Adds the encoder for `batch` prompts to `graph`. */
export function buildClip(graph: Graph, { name, tokenizer, config, weights }: ClipPart, batch: number) {
  const inputIds = input(graph, `${name}_ids`, [batch, tokenizer.maxLength], "int64");
  const eosPositions = input(graph, `${name}_eos`, [batch], "int64");
  // Nodes are scoped by encoder as well.
  return graph.within(name, (): ClipTextOutputs => {
    const w = Weights.of(graph, weights);
    const encoded = clipTextEncoder(w, config, { inputIds, eosPositions });
    w.requireAllUsed(...clipTextIgnoredKeys);
    return encoded;
  });
}

/** Output of the layer before the last, [N, L, hidden]. */
export function penultimateStates({ hiddenStates }: ClipTextOutputs): Value {
  const states = hiddenStates.at(-2);
  if (states === undefined) throw new InputError("a CLIP text encoder without layers has no penultimate states");
  return states;
}

/**
 * CLIP's projected pooled output [N, projection_dim] (transformers' text_embeds). Throws an InputError if the encoder has no
 * projection.
 */
export function projectedTextEmbeds({ textEmbeds }: ClipTextOutputs, { weights }: ClipPart): Value {
  if (textEmbeds === null) throw new InputError(`${weights.origin} has no text projection, which this pipeline needs`);
  return textEmbeds;
}

/** Token ids and EOS positions of `prompts`, for the inputs that `buildClip` adds. */
export function clipFeeds({ name, tokenizer, config }: ClipPart, prompts: readonly string[]): NamedTensors {
  const ids = prompts.map((prompt) => tokenizer.encode(prompt).ids);
  const ends = ids.map((row) => eosPosition(row, config));
  return {
    [`${name}_ids`]: intTensor([prompts.length, tokenizer.maxLength], ids.flat()),
    [`${name}_eos`]: intTensor([prompts.length], ends),
  };
}

/** The prompt as a one-item list if the tokenizer truncates it, else an empty list; `encoder` is its name in messages. */
export function truncatedPrompts(prompt: string, encoder: string, tokenizer: TextTokenizer): TruncatedPrompt[] {
  const { truncated: cut } = tokenizer.encode(prompt);
  return cut === null ? [] : [{ prompt, encoder, limit: tokenizer.maxLength, cut }];
}
