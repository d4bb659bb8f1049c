/** @file Picking and joining the texts of a conditioning, and the text that guidance leads away from. */

import { concatRows, floatTensor, rows } from "../core/tensor.js";
import type { BeforeRun, Conditioning, DiffusionPipeline, EncodedPrompts } from "./pipeline.js";

/** The texts of all parts in order. */
export function joinConditioning(parts: readonly Conditioning[]): Conditioning {
  const names = Object.keys(parts[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, concatRows(parts.map((part) => part[name]))]));
}

/** Text number `index` alone, sharing memory. */
export function textOf(conditioning: Conditioning, index: number): Conditioning {
  return Object.fromEntries(
    Object.entries(conditioning).map(([name, tensor]) => [name, rows(tensor, index, index + 1)]),
  );
}

/** The texts at `indices`, which may repeat. */
export function pickTexts(conditioning: Conditioning, indices: readonly number[]): Conditioning {
  return joinConditioning(indices.map((index) => textOf(conditioning, index)));
}

/** Prompts as `encodePrompts` embeds them, and one negative prompt; without guidance it is null. */
export async function encodeForGuidance(
  pipeline: DiffusionPipeline,
  prompts: readonly string[],
  negative: string | null,
  beforeRun?: BeforeRun,
): Promise<EncodedPrompts & { readonly negative: Conditioning | null }> {
  if (negative === null) return { ...(await pipeline.encodePrompts(prompts, beforeRun)), negative };
  if (negative === "" && pipeline.zeroEmptyNegative) {
    const zeros = Object.entries(pipeline.conditioningShapes).map(([name, shape]) => [
      name,
      floatTensor([1, ...shape]),
    ]);
    return { ...(await pipeline.encodePrompts(prompts, beforeRun)), negative: Object.fromEntries(zeros) };
  }
  const { conditioning, truncated } = await pipeline.encodePrompts([...prompts, negative], beforeRun);
  const indices = prompts.map((_, index) => index);
  return {
    conditioning: pickTexts(conditioning, indices),
    negative: textOf(conditioning, prompts.length),
    truncated,
  };
}
