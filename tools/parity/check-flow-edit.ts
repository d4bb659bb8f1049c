/** @file Goldens of FlowEdit in the folders of Stable Diffusion 3, which are older than those of image editing. */

import { join } from "node:path";
import { InputError } from "#softrepa/core/errors.js";
import { floatTensor, rows } from "#softrepa/core/tensor.js";
import { withContext } from "#softrepa/editing/edit-context.js";
import { flowEdit } from "#softrepa/editing/index.js";
import { SamplingCache } from "#softrepa/sampling/sampling-cache.js";
import { type Comparison, compare, limits } from "./compare.js";
import { drawsOf } from "./edit-case.js";
import { GoldenFile } from "./golden-file.js";
import { type Subject, softTokensOf } from "./subject.js";

/** One noise sample per step; the file has one for each of all steps, including those that are skipped. */
export async function* checkFlowEdit(subject: Subject, golden: string): AsyncGenerator<Comparison> {
  const { folder, meta, pipeline } = subject;
  if (meta.flowedit === undefined) throw new InputError(`${join(folder, "meta.json")} has no settings of flowedit`);
  const { steps, n_start: nMax, source_guidance, target_guidance, source, target } = meta.flowedit;
  const file = await GoldenFile.open(join(folder, golden));
  const names = { tokens: "tokens", table: "t_tokens" };
  const softTokens = golden.includes("soft") ? await softTokensOf(subject, golden, file, names) : null;
  const method = flowEdit({ steps, nMax, sourceGuidance: source_guidance, targetGuidance: target_guidance });
  const { family, scheduler, defaults } = pipeline;
  const prepared = method.prepare({ family, scheduler, defaults, softTokens: softTokens !== null });
  const [latents, noises, sigmas] = [
    await file.tensor("source"),
    await file.tensor("noises"),
    await file.tensor("sigmas"),
  ];
  const found = scheduler.start(steps).levels.map(({ sigma }) => sigma);
  yield compare("sigmas", floatTensor([found.length], Float32Array.from(found)), sigmas, limits.module);
  const draws = Array.from({ length: nMax }, (_, index) => {
    const step = steps - nMax + index;
    return floatTensor(latents.shape, rows(noises, step, step + 1).data);
  });
  const cache = new SamplingCache(pipeline);
  const prompts = { source, target };
  const request = { cache, source: latents, mask: null, prompts, negative: "", softTokens, drawNoise: drawsOf(draws) };
  const edited = await withContext(pipeline, request, (context) => prepared.run(context));
  await cache.close();
  yield compare("edited", edited, await file.tensor("edited"), limits.sampler);
}
