/** @file CLIPTextModel and CLIPTextModelWithProjection (arXiv 2103.00020; transformers models/clip/modeling_clip.py). */

import { z } from "zod";
import { InputError } from "../core/errors.js";
import { floatTensor } from "../core/tensor.js";
import type { GraphBuilder, Value } from "../graph/ir.js";
import { add, constant, gather, integers, reshape, slice } from "../graph/ops.js";
import { dims } from "../graph/shapes.js";
import { clipLayer } from "./clip-layer.js";
import { embedding, layerNorm, linear } from "./layers.js";
import { module } from "./weights.js";

/** The configuration of a whole CLIP model has the text model's under `text_config`, next to the projection's width. */
const wholeModelSchema = z.looseObject({ text_config: z.looseObject({}) });

function textModelPart(raw: unknown): unknown {
  const whole = wholeModelSchema.safeParse(raw);
  if (!whole.success) return raw;
  const { text_config, architectures, projection_dim } = whole.data;
  return { ...text_config, architectures, projection_dim };
}

/** text_encoder/config.json; absent keys have transformers' defaults. */
export const clipTextConfigSchema = z.preprocess(
  textModelPart,
  z
    .object({
      architectures: z.array(z.string()).nullish(),
      vocab_size: z.int().positive().default(49408),
      hidden_size: z.int().positive().default(512),
      intermediate_size: z.int().positive().default(2048),
      projection_dim: z.int().positive().default(512),
      num_hidden_layers: z.int().positive().default(12),
      num_attention_heads: z.int().positive().default(8),
      max_position_embeddings: z.int().positive().default(77),
      hidden_act: z.enum(["quick_gelu", "gelu"]).default("quick_gelu"),
      layer_norm_eps: z.number().positive().default(1e-5),
      eos_token_id: z.int().default(49407),
    })
    .refine(({ hidden_size, num_attention_heads }) => hidden_size % num_attention_heads === 0, {
      path: ["num_attention_heads"],
      message: "must divide hidden_size",
    }),
);
export type ClipTextConfig = z.infer<typeof clipTextConfigSchema>;

/** Older checkpoints store the position ids 0 to 76 under this key. */
export const clipTextIgnoredKeys: readonly RegExp[] = [/^text_model\.embeddings\.position_ids$/];

export interface ClipTextInputs {
  /** Token ids, int64 [N, L]. */
  readonly inputIds: Value;
  /** EOS position of each text, int64 [N]: see `eosPosition`. */
  readonly eosPositions: Value;
}

export interface ClipTextOutputs {
  /** [N, L, hidden] each: the embeddings, then every layer's output; the penultimate is `.at(-2)`. */
  readonly hiddenStates: readonly Value[];
  /** The last of them after the final layer norm. */
  readonly lastHiddenState: Value;
  /** `lastHiddenState` at the EOS position, [N, hidden]. */
  readonly pooled: Value;
  /** `pooled` in the space shared with images, [N, projection_dim]; null for a model without projection. */
  readonly textEmbeds: Value | null;
}

export const clipTextEncoder = module((w, config: ClipTextConfig, inputs: ClipTextInputs): ClipTextOutputs => {
  const { inputIds, eosPositions } = inputs;
  const model = w.scope("text_model");
  const mask = causalMask(w.graph, inputIds.dim(1));
  let x = embedTokens(model.scope("embeddings"), config, inputIds);
  const hiddenStates = [x];
  for (let index = 0; index < config.num_hidden_layers; index++) {
    x = clipLayer(model.scope(`encoder.layers.${index}`), config, x, mask);
    hiddenStates.push(x);
  }
  const lastHiddenState = layerNorm(model.scope("final_layer_norm"), x, config.layer_norm_eps);
  const pooled = statesAt(lastHiddenState, eosPositions);
  const textEmbeds = isProjected(config)
    ? linear(w.scope("text_projection"), pooled, config.projection_dim, { bias: false })
    : null;
  return { hiddenStates, lastHiddenState, pooled, textEmbeds };
});

/**
 * The position at which transformers reads the pooled state of a text: that of the first end token. Older configurations have a
 * wrong eos_token_id of 2 (huggingface/transformers#24773); for them it is the position of the highest id. Without an end
 * token, it is 0, as in transformers.
 */
export function eosPosition(ids: readonly number[], { eos_token_id }: ClipTextConfig): number {
  const end = eos_token_id === 2 ? Math.max(...ids) : eos_token_id;
  return Math.max(ids.indexOf(end), 0);
}

function isProjected({ architectures }: ClipTextConfig): boolean {
  return architectures?.some((name) => name === "CLIPTextModelWithProjection" || name === "CLIPModel") ?? false;
}

/** Token and position embeddings, [N, L, hidden]. */
const embedTokens = module((w, config: ClipTextConfig, inputIds: Value): Value => {
  const { hidden_size, max_position_embeddings, vocab_size } = config;
  const length = inputIds.dim(1);
  if (length > max_position_embeddings) {
    throw new InputError(`this CLIP text encoder takes at most ${max_position_embeddings} tokens, got ${length}`);
  }
  const tokens = embedding(w.scope("token_embedding"), inputIds, vocab_size, hidden_size);
  const positions = w.scope("position_embedding").tensor("weight", [max_position_embeddings, hidden_size]);
  return add(tokens, slice(positions, 0, 0, length));
});

/**
 * The causal attention mask [1, 1, L, L]: 0 for a token itself and those before it, elsewhere a value so low that softmax gives
 * exactly 0, yet finite, so that execution providers need no arithmetic with infinities.
 */
function causalMask(graph: GraphBuilder, length: number): Value {
  const mask = floatTensor([1, 1, length, length]);
  for (let query = 0; query < length; query++) mask.data.fill(-1e30, query * length + query + 1, (query + 1) * length);
  return constant(graph, mask);
}

/** Row `positions[n]` of each x[n]: x [N, L, D], positions [N] -> [N, D]. */
function statesAt(x: Value, positions: Value): Value {
  const [batch, length, width] = dims(x, 3);
  const firstRows = Array.from({ length: batch }, (_, index) => index * length);
  return gather(reshape(x, [batch * length, width]), add(positions, integers(x.graph, [batch], firstRows)));
}
