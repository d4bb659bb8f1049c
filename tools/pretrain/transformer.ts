/** @file Third stage: the transformer, by flow matching on latents and captions; the text encoders are frozen. */

import type { Generator } from "#softrepa/core/random.js";
import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import { add, concat, constant, input, mul, reduceMean, reshape, sub } from "#softrepa/graph/ops.js";
import { mmdit } from "#softrepa/models/mmdit.js";
import type { TextTokenizer } from "#softrepa/models/tokenizer/text-tokenizer.js";
import type { Weights } from "#softrepa/models/weights.js";
import type { NamedTensors } from "#softrepa/runtime/engine.js";
import { chance } from "#softrepa/world/choose.js";
import type { Scene } from "#softrepa/world/scene.js";
import { promptLength, textWidth, transformerConfig } from "./configs.js";
import { drawCaption } from "./mixture.js";
import type { Losses } from "./network.js";
import { encodeTexts, textFeeds } from "./text-encoders.js";

/** Captions left out, for classifier-free guidance; and each encoder's share of texts that the transformer does not see. */
const unconditionalShare = 0.1;
const droppedEncoderShare = 0.1;

export const transformerName = "transformer";

/** Mean squared error of the velocity (rectified flow, arXiv 2403.03206). */
export function transformerLoss(w: Weights, batch: number): Losses {
  const { in_channels: channels, sample_size: side } = transformerConfig;
  const latents = input(w.graph, "latents", [batch, channels, side, side]);
  const noise = input(w.graph, "noise", [batch, channels, side, side]);
  const sigma = input(w.graph, "sigma", [batch]);
  const share = reshape(sigma, [batch, 1, 1, 1]);
  const velocity = mmdit(w.scope(transformerName), transformerConfig, {
    sample: add(latents, mul(share, sub(noise, latents))),
    timestep: mul(sigma, 1000),
    ...conditioning(w, batch),
    softTokens: null,
  });
  const difference = sub(velocity, sub(noise, latents));
  return { loss: reduceMean(mul(difference, difference), [0, 1, 2, 3]) };
}

/** What Stable Diffusion 3 makes of both encoders' texts where T5 is absent: as many zeros behind them, folded into one. */
function conditioning(w: Weights, batch: number) {
  const seen = encodeTexts(w, batch).map(({ states, pooled }, index) => {
    const kept = input(w.graph, `kept_${index + 1}`, [batch, 1]);
    return { states: mul(states, reshape(kept, [batch, 1, 1])), pooled: mul(pooled, kept) };
  });
  const states = concat(
    seen.map(({ states }) => states),
    2,
  );
  const absent = constant(w.graph, floatTensor([batch, 1, textWidth]));
  const pooled = concat(
    seen.map(({ pooled }) => pooled),
    1,
  );
  return { promptEmbeds: concat([states, absent], 1), lastTokenCount: promptLength, pooled };
}

export interface EncodedScenes {
  readonly sceneAt: (index: number) => Scene;
  /** Latents as the transformer sees them, [N, channels, side, side]. */
  readonly latents: FloatTensor;
}

/** Mean of the logit of a time: what a picture shows is decided while it is mostly noise, so most times are there. */
const logitMean = 1;

/** Scenes with fresh captions, noises, and times whose logit is normal (arXiv 2403.03206, section 3.1). */
export function transformerBatch(
  { sceneAt, latents }: EncodedScenes,
  batch: number,
  tokenizer: TextTokenizer,
  random: Generator,
): NamedTensors {
  const shape = [batch, ...latents.shape.slice(1)];
  const chosen = floatTensor(shape);
  const size = chosen.data.length / batch;
  const texts = Array.from({ length: batch }, (_, row) => {
    const index = random.integer(latents.shape[0]);
    chosen.data.set(latents.data.subarray(index * size, (index + 1) * size), row * size);
    return chance(random, unconditionalShare) ? "" : drawCaption(sceneAt(index), random);
  });
  const keptUnless = (dropped: number) =>
    floatTensor(
      [batch, 1],
      Float32Array.from({ length: batch }, () => (chance(random, dropped) ? 0 : 1)),
    );
  return {
    latents: chosen,
    noise: random.normal(shape),
    sigma: floatTensor(
      [batch],
      random.normal([batch]).data.map((x) => 1 / (1 + Math.exp(-x - logitMean))),
    ),
    kept_1: keptUnless(droppedEncoderShare),
    kept_2: keptUnless(droppedEncoderShare),
    ...textFeeds(texts, tokenizer),
  };
}
