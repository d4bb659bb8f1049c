/**
 * @file Adds soft tokens to a network by taps on its text stream, which keeps the networks independent of them. Each layer's
 * tokens replace those of the previous layer (SoftREPA, arXiv 2503.08250).
 */

import type { Tap, Value } from "../graph/ir.js";
import { concat, reshape, slice } from "../graph/ops.js";
import { linear } from "../models/layers.js";
import type { Weights } from "../models/weights.js";
import type { UnetStage } from "./pipeline.js";

/**
 * Taps of the MM-DiT: soft tokens [N, layers, count, width] go before the text tokens of each of the first blocks. The blocks
 * after them read only the text, of `textLength` tokens.
 */
export function prefixTaps(softTokens: Value, textLength: number): readonly Tap[] {
  const shape = [softTokens.dim(0), softTokens.dim(2), softTokens.dim(3)];
  const at = /(?:^|\.)transformer_blocks\.(\d+)\.context$/;
  const replace = (context: Value, name: string) => {
    const layer = Number(at.exec(name)?.[1]);
    const text = slice(context, 1, context.dim(1) - textLength);
    if (layer >= softTokens.dim(1)) return text;
    return concat([reshape(slice(softTokens, 1, layer, layer + 1), shape), text], 1);
  };
  return [{ at, replace }];
}

const stageScopes: Readonly<Record<UnetStage, string>> = { down: "down_blocks", mid: "mid_block", up: "up_blocks" };

/**
 * Tap of the UNet with weights `w`: soft tokens [N, 1, count, width] go after the first text token in the cross-attentions of a
 * stage. They are projected separately from the text, since only they need gradients.
 */
export function afterFirstTap(w: Weights, softTokens: Value, stage: UnetStage): Tap {
  const tokens = reshape(softTokens, [softTokens.dim(0), softTokens.dim(2), softTokens.dim(3)]);
  const at = new RegExp(`(?:^|\\.)(${stageScopes[stage]}\\..*\\.attn2)\\.([kv])$`);
  const replace = (text: Value, name: string) => {
    const [, attention, keyOrValue] = at.exec(name) ?? [];
    const projection = w.scope(`${attention}.to_${keyOrValue}`);
    const width = text.dim(2);
    return concat([slice(text, 1, 0, 1), linear(projection, tokens, width, { bias: false }), slice(text, 1, 1)], 1);
  };
  return { at, replace };
}
