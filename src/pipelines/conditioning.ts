/** @file Picking and joining the texts of a conditioning, and the text that guidance leads away from. */

import type { Stoppable } from "../core/errors.js";
import { concatRows, floatTensor, rows } from "../core/tensor.js";
import type { Conditioning, DiffusionPipeline, EncodedPrompts } from "./pipeline.js";

/** The texts of all parts in order. */
export function joinConditioning(parts: readonly Conditioning[]): Conditioning {
  const names = Object.keys(parts[0] ?? {});
  const named = (name: string) => parts.flatMap(({ [name]: tensor }) => tensor ?? []);
  return Object.fromEntries(names.map((name) => [name, concatRows(named(name))]));
}

/** Text number `index` alone, sharing memory. */
export function conditioningAt(conditioning: Conditioning, index: number): Conditioning {
  return Object.fromEntries(
    Object.entries(conditioning).map(([name, tensor]) => [name, rows(tensor, index, index + 1)]),
  );
}

/** The texts at `indices`, which may repeat. */
export function selectConditioning(conditioning: Conditioning, indices: readonly number[]): Conditioning {
  return joinConditioning(indices.map((index) => conditioningAt(conditioning, index)));
}

/** What embeds prompts: a pipeline, or `KeptPrompts`. */
export type PromptEncoder = Pick<
  DiffusionPipeline,
  "encodePrompts" | "forceZerosForEmptyPrompt" | "conditioningShapes"
>;

/**
 * Prompts and one negative prompt, which is null without guidance. Each is encoded alone, so that the last bits of a picture do
 * not depend on what else was asked for.
 */
export async function encodeForGuidance(
  pipeline: PromptEncoder,
  prompts: readonly string[],
  negative: string | null,
  options?: Stoppable,
): Promise<EncodedPrompts & { readonly negative: Conditioning | null }> {
  const encoded: EncodedPrompts[] = [];
  for (const prompt of prompts) encoded.push(await pipeline.encodePrompts([prompt], options));
  const conditioning = joinConditioning(encoded.map((one) => one.conditioning));
  const truncated = encoded.flatMap((one) => one.truncated);
  if (negative === null) return { conditioning, truncated, negative };
  if (negative === "" && pipeline.forceZerosForEmptyPrompt) {
    const zeros = Object.entries(pipeline.conditioningShapes).map(([name, shape]) => [
      name,
      floatTensor([1, ...shape]),
    ]);
    return { conditioning, truncated, negative: Object.fromEntries(zeros) };
  }
  const away = await pipeline.encodePrompts([negative], options);
  return { conditioning, negative: away.conditioning, truncated: [...truncated, ...away.truncated] };
}
