/** @file The transformer and both text encoders together, by flow matching on latents and captions, with the auxiliary loss. */

import type { Generator } from "#softrepa/core/random.js";
import { floatTensor } from "#softrepa/core/tensor.js";
import { add, constant, input, mul, reduceMean, reshape, sub } from "#softrepa/graph/ops.js";
import { ReadTap } from "#softrepa/graph/taps.js";
import { type MmditConfig, mmdit } from "#softrepa/models/mmdit.js";
import type { TextTokenizer } from "#softrepa/models/tokenizer/text-tokenizer.js";
import type { Weights } from "#softrepa/models/weights.js";
import type { NamedTensors } from "#softrepa/runtime/engine.js";
import { chance } from "#softrepa/scenes/choose.js";
import { auxiliaryLoss, objectTargets } from "./auxiliary.js";
import { transformerConfig } from "./configs.js";
import { drawCaption } from "./mixture.js";
import type { Losses } from "./network.js";
import type { EncodedScenes } from "./scene-latents.js";
import { type ClipConfigs, promptEmbeds, textFeeds } from "./texts.js";

export interface JointSettings {
  readonly clip: ClipConfigs;
  readonly transformer: MmditConfig;
  /** Tokens of a prompt with its start and end. */
  readonly promptLength: number;
  /** The auxiliary head reads the image tokens behind this many blocks. */
  readonly headAfterBlock: number;
  readonly headWeight: number;
}

/**
 * Mean squared error of the velocity (rectified flow, arXiv 2403.03206) + `headWeight` times the auxiliary loss. The transformer sees no pooled
 * texts: what a pooled text says of its style, no soft token could add to.
 */
export function jointLoss(w: Weights, settings: JointSettings, batch: number): Losses {
  const { clip, transformer, promptLength, headAfterBlock, headWeight } = settings;
  const { in_channels: channels, sample_size: side } = transformer;
  const latents = input(w.graph, "latents", [batch, channels, side, side]);
  const noise = input(w.graph, "noise", [batch, channels, side, side]);
  const sigma = input(w.graph, "sigma", [batch]);
  const share = reshape(sigma, [batch, 1, 1, 1]);
  // What the next block reads.
  const imageTokens = new ReadTap(`transformer.transformer_blocks.${headAfterBlock}.image`);
  const velocity = w.graph.withTaps([imageTokens], () =>
    mmdit(w.scope("transformer"), transformer, {
      sample: add(latents, mul(share, sub(noise, latents))),
      timestep: mul(sigma, 1000),
      promptEmbeds: promptEmbeds(w, clip, batch, promptLength),
      lastTokenCount: promptLength,
      pooled: constant(w.graph, floatTensor([batch, transformer.pooled_projection_dim])),
    }),
  );
  const difference = sub(velocity, sub(noise, latents));
  const flow = reduceMean(mul(difference, difference), [0, 1, 2, 3]);
  const head = auxiliaryLoss(w.scope("head"), imageTokens.value);
  return { loss: add(flow, mul(head, headWeight)), flow, head };
}

/** Whether a weight keeps its initial value: those of pooled texts, whose projection stays zero. */
export function isFixed(name: string): boolean {
  return name.includes("time_text_embed.text_embedder.");
}

/** Captions left out, for classifier-free guidance. */
const unconditionalShare = 0.1;
/** Mean of the logit of a time: what an image shows is decided while it is mostly noise. */
const logitMean = 0.5;

/** Scenes with fresh captions, noises, and times whose logit is normal (arXiv 2403.03206, section 3.1). */
export function jointBatch(
  encoded: EncodedScenes,
  batch: number,
  tokenizer: TextTokenizer,
  random: Generator,
): NamedTensors {
  const { in_channels: channels, sample_size: side, patch_size: patch } = transformerConfig;
  const shape = [batch, channels, side, side];
  const latents = floatTensor(shape);
  const size = latents.data.length / batch;
  const chosen = Array.from({ length: batch }, (_, row) => {
    const { scene, latents: own } = encoded.at(random.integer(encoded.count));
    latents.data.set(own, row * size);
    return scene;
  });
  const texts = chosen.map((scene) => (chance(random, unconditionalShare) ? "" : drawCaption(scene, random)));
  return {
    latents,
    noise: random.normal(shape),
    sigma: floatTensor(
      [batch],
      random.normal([batch]).data.map((x) => 1 / (1 + Math.exp(-x - logitMean))),
    ),
    objects: objectTargets(chosen, side / patch),
    ...textFeeds(texts, tokenizer),
  };
}
