/** @file What the text encoders of every family have in common: prompts go through them a few at a time. */

import { type Stoppable, stopIfAsked } from "../core/errors.js";
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
  /** Tokens of one prompt's embeddings. */
  readonly length: number;
  /** Adds the encoders to a graph; what comes out is the conditioning by name, one row a prompt. */
  build(graph: Graph, batch: number): Readonly<Record<string, Value>>;
  /** What the graph's inputs are for some prompts; the graph may lack inputs that it has no use for. */
  feeds(prompts: readonly string[]): NamedTensors;
  /** What the encoders do not get to see of a prompt. */
  truncation(prompt: string): TruncatedPrompt[];
}

/** Prompts encoded at once. */
const promptBatch = 4;

/** Embeds prompts in order. */
export async function encodePrompts(
  encoders: TextEncoders,
  prompts: readonly string[],
  engine: Engine,
  sessions: SessionCache,
  { signal }: Stoppable = {},
): Promise<EncodedPrompts> {
  const size = Math.min(promptBatch, prompts.length);
  const session = await sessions.get(`text:${size}`, () => {
    const graph = new Graph();
    return engine.compile(writeOnnx(graph, encoders.build(graph, size), engine.target));
  });
  const parts: Record<string, FloatTensor[]> = Object.fromEntries(session.outputs.map(({ name }) => [name, []]));
  for (const { batch, real } of paddedBatches(prompts, size)) {
    stopIfAsked(signal);
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
