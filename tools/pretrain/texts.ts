/** @file Captions on their way into the transformer: both CLIP text encoders, trained together with it. */

import { floatTensor, intTensor } from "#softrepa/core/tensor.js";
import type { Value } from "#softrepa/graph/ir.js";
import { concat, constant, input, integers } from "#softrepa/graph/ops.js";
import { type ClipTextConfig, clipTextEncoder } from "#softrepa/models/clip-text.js";
import type { TextTokenizer } from "#softrepa/models/tokenizer/text-tokenizer.js";
import type { Weights } from "#softrepa/models/weights.js";
import type { NamedTensors } from "#softrepa/runtime/engine.js";

export type ClipConfigs = readonly [ClipTextConfig, ClipTextConfig];

/**
 * What Stable Diffusion 3 makes of texts where T5 is absent, for the graph input `ids` [N, L]: the states before the last layer of
 * both encoders side by side, and zeros behind them, of which one stands for all (`lastTokenCount`). [N, L + 1, width].
 */
export function promptEmbeds(w: Weights, configs: ClipConfigs, batch: number, length: number): Value {
  const inputIds = input(w.graph, "ids", [batch, length], "int64");
  // Of the pooled text, which nothing reads.
  const eosPositions = integers(w.graph, [batch], Array(batch).fill(0));
  const states = configs.map((config, index) => {
    const scope = w.scope(index === 0 ? "text_encoder" : "text_encoder_2");
    const { hiddenStates } = clipTextEncoder(scope, config, { inputIds, eosPositions });
    return hiddenStates[hiddenStates.length - 2];
  });
  const joined = concat(states, 2);
  return concat([joined, constant(w.graph, floatTensor([batch, 1, joined.dim(2)]))], 1);
}

/** The input that `promptEmbeds` declares. */
export function textFeeds(texts: readonly string[], tokenizer: TextTokenizer): NamedTensors {
  const ids = texts.map((text) => tokenizer.encode(text).ids);
  return { ids: intTensor([texts.length, ids[0]?.length ?? 0], ids.flat()) };
}
