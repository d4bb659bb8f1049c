/** @file The interface of a pipeline's text encoders, and the code that runs them on batches of prompts. */

import { type Abortable, throwIfAborted } from "../core/errors.js";
import { concatRows, type FloatTensor, rows } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import type { Engine, NamedTensors } from "../runtime/engine.js";
import { paddedBatches } from "./padded-batches.js";
import type { EncodedPrompts, TruncatedPrompt } from "./pipeline.js";
import type { SessionCache } from "./session-cache.js";

/** The text encoders of a pipeline. */
export interface TextEncoders {
  /** Tokens of one prompt's embeds. */
  readonly length: number;
  /** Adds the encoders to a graph; returns the conditioning by name, one row per prompt. */
  build(graph: Graph, batch: number): Readonly<Record<string, Value>>;
  /** Feeds for `prompts`; may include inputs that the pruned graph no longer has. */
  feeds(prompts: readonly string[]): NamedTensors;
  /** The encoders that truncate `prompt`. */
  truncation(prompt: string): TruncatedPrompt[];
}

/** Prompts per run. */
const promptBatch = 4;

/** Encodes prompts to conditioning, in order. */
export async function encodePrompts(
  encoders: TextEncoders,
  prompts: readonly string[],
  engine: Engine,
  sessions: SessionCache,
  { signal }: Abortable = {},
): Promise<EncodedPrompts> {
  const size = Math.min(promptBatch, prompts.length);
  const session = await sessions.get(`text:${size}`, () => {
    const graph = new Graph();
    return engine.compile(writeOnnx(graph, encoders.build(graph, size), engine.target));
  });
  const parts: Record<string, FloatTensor[]> = Object.fromEntries(session.outputs.map(({ name }) => [name, []]));
  for (const { batch, real } of paddedBatches(prompts, size)) {
    throwIfAborted(signal);
    const feeds = encoders.feeds(batch);
    const read = Object.entries(feeds).filter(([name]) => session.inputs.some((input) => input.name === name));
    const results = await session.run(Object.fromEntries(read));
    for (const [name, part] of Object.entries(parts)) part.push(rows(results[name] as FloatTensor, 0, real));
  }
  return {
    conditioning: Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, concatRows(part)])),
    truncated: prompts.flatMap((prompt) => encoders.truncation(prompt)),
  };
}
