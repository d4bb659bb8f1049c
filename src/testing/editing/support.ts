/** @file What tests of editing methods share: an edit of random latents on one of the small pipelines. */

import { Generator } from "../../core/random.js";
import { type FloatTensor, floatTensor } from "../../core/tensor.js";
import { type ContextRequest, withContext } from "../../editing/edit-context.js";
import type { EditContext, EditMethod } from "../../editing/method.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { SamplingCache } from "../../sampling/sampling-cache.js";

export const texts = { source: "a red cube on top of a blue sphere", target: "a green cube on top of a blue sphere" };

/** Latents of 8 x 8. */
export function randomLatents({ latentChannels }: DiffusionPipeline, seed: number): FloatTensor {
  return new Generator(seed).normal([1, latentChannels, 8, 8]);
}

export type EditInputs = Partial<Omit<ContextRequest, "cache">>;

/** Runs `body` in a context with a random source (seed 1) and noise (seed 2). */
export async function inContext<T>(
  pipeline: DiffusionPipeline,
  inputs: EditInputs,
  body: (context: EditContext) => Promise<T>,
): Promise<T> {
  const cache = new SamplingCache(pipeline);
  const source = inputs.source ?? randomLatents(pipeline, 1);
  const generator = new Generator(2);
  try {
    return await withContext(
      pipeline,
      {
        source,
        mask: null,
        prompts: texts,
        negative: "",
        softTokens: null,
        drawNoise: () => generator.normal(source.shape),
        ...inputs,
        cache,
      },
      body,
    );
  } finally {
    await cache.close();
  }
}

/** The edited latents, and those before the first step and after each. */
export async function editLatents(
  pipeline: DiffusionPipeline,
  method: EditMethod,
  inputs: EditInputs = {},
): Promise<{ readonly latents: FloatTensor; readonly samples: readonly FloatTensor[]; readonly runs: number }> {
  const { family, scheduler, defaults } = pipeline;
  const samples: FloatTensor[] = [];
  let runs = 0;
  const prepared = method.prepare({ family, scheduler, defaults, softTokens: inputs.softTokens != null });
  const onSample = (sample: FloatTensor) => void samples.push(sample);
  const onRun = () => void runs++;
  const latents = await inContext(pipeline, { ...inputs, onSample, onRun }, (context) => prepared.run(context));
  return { latents, samples, runs };
}

/** A mask of one value for latents of 8 x 8. */
export function evenMask(value: 0 | 1): FloatTensor {
  return floatTensor([1, 1, 8, 8], new Float32Array(64).fill(value));
}
