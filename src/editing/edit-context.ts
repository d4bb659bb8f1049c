/** @file The context of one edit: prompts, noise and warm denoisers. */

import type { FloatTensor } from "../core/tensor.js";
import { encodeForGuidance } from "../pipelines/conditioning.js";
import type { Conditioning, DiffusionPipeline, TruncatedPrompt } from "../pipelines/pipeline.js";
import type { SamplingCache } from "../sampling/sampling-cache.js";
import type { DrawNoise } from "../schedulers/index.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { GuidedCalls } from "./guided-calls.js";
import type { EditContext } from "./method.js";

export interface ContextRequest extends Pick<EditContext, "source" | "mask" | "prompts"> {
  readonly cache: SamplingCache;
  readonly negative: string;
  /** Used in every denoiser call; null for the plain model. */
  readonly softTokens: SoftTokens | null;
  /** 0..1, the weight of the soft tokens' effect (default 1). */
  readonly strength?: number | undefined;
  readonly drawNoise: DrawNoise;
  readonly repackWeights?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRun?: (() => void) | undefined;
  readonly onSample?: ((sample: FloatTensor) => void) | undefined;
  readonly onTruncated?: ((cut: TruncatedPrompt) => void) | undefined;
}

/** Calls `body` with a context, and releases its denoisers to the cache afterwards. */
export async function withContext<T>(
  pipeline: DiffusionPipeline,
  request: ContextRequest,
  body: (context: EditContext) => Promise<T>,
): Promise<T> {
  const { cache, source, mask, prompts, drawNoise, signal, onTruncated } = request;
  const encode = async (prompt: string): Promise<Conditioning> => {
    const { conditioning, truncated } = await cache.prompts.encodePrompts([prompt], { signal });
    for (const cut of truncated) onTruncated?.(cut);
    return conditioning;
  };
  const encodeNegative = async (): Promise<Conditioning> => {
    const { negative, truncated } = await encodeForGuidance(cache.prompts, [], request.negative, { signal });
    for (const cut of truncated) onTruncated?.(cut);
    return negative ?? {};
  };
  const calls = new GuidedCalls(cache, {
    encodeNegative,
    latentShape: source.shape.slice(1),
    softTokens: request.softTokens,
    strength: request.strength ?? 1,
    repackWeights: request.repackWeights,
    signal,
    onRun: () => request.onRun?.(),
  });
  try {
    return await body({
      scheduler: pipeline.scheduler,
      source,
      mask,
      prompts,
      encode,
      denoise: calls.denoise,
      drawNoise,
      onSample: (sample) => request.onSample?.(sample),
    });
  } finally {
    await calls.release();
  }
}
