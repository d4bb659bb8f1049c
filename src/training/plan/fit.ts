/** @file What a run chooses where its memory is limited: pairs a run, and how many encodings it keeps. */

import { formatByteSize } from "../../core/byte-size.js";
import { InputError } from "../../core/errors.js";
import { defaultChunk } from "../../objectives/chunk.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { defaultCacheBytes, type MemoryPlan, planMemory, type RunSizes } from "./memory.js";

export interface FittedRun {
  readonly chunk: number;
  readonly cacheBytes: number;
  readonly memory: MemoryPlan;
}

/**
 * The largest number of pairs a run that fits into `limit` bytes, at most the default one, beyond which nothing gets faster;
 * encodings get what is left. A `chunk` that is given stays. Without a limit, today's defaults.
 *
 * @throws InputError where not even one pair a run fits, which says how much is needed
 */
export function fitRun(
  pipeline: DiffusionPipeline,
  sizes: Omit<RunSizes, "chunk" | "cacheBytes">,
  given: number | undefined,
  limit: number | undefined,
  resident = process.memoryUsage().rss,
): FittedRun {
  const plan = (chunk: number, cacheBytes: number) => planMemory(pipeline, { ...sizes, chunk, cacheBytes }, resident);
  const side = sizes.resolution / pipeline.latentScale;
  const usual = defaultChunk(sizes.batch, pipeline.tokensAPair([pipeline.latentChannels, side, side]));
  if (limit === undefined) {
    const chunk = given ?? usual;
    return { chunk, cacheBytes: defaultCacheBytes, memory: plan(chunk, defaultCacheBytes) };
  }
  const choices = given === undefined ? evenChunks(sizes.batch).filter((chunk) => chunk <= usual) : [given];
  let least = Number.POSITIVE_INFINITY;
  for (const chunk of choices) {
    const bare = plan(chunk, 0);
    least = Math.min(least, bare.total);
    if (bare.total > limit) continue;
    const cacheBytes = Math.min(defaultCacheBytes, limit - bare.total);
    return { chunk, cacheBytes, memory: plan(chunk, cacheBytes) };
  }
  const how = `with ${choices.at(-1)} ${choices.at(-1) === 1 ? "pair" : "pairs"} a run and no encodings kept`;
  const resolution = `${sizes.resolution} x ${sizes.resolution} pixels`;
  throw new InputError(
    `--memory ${formatByteSize(limit)} is too little: at ${resolution} this run takes at least ${formatByteSize(least)}, ${how}; give it more, or a smaller --resolution`,
  );
}

/** Pairs a run that divide a row of `batch` captions evenly, the largest first. */
function evenChunks(batch: number): number[] {
  const all = Array.from({ length: batch }, (_, parts) => Math.ceil(batch / (parts + 1)));
  return [...new Set(all)];
}
