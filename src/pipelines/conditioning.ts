/** @file Selects and joins rows of a conditioning, and encodes prompts for classifier-free guidance. */

import type { Abortable } from "../core/errors.js";
import { concatRows, floatTensor, rows } from "../core/tensor.js";
import type { Conditioning, DiffusionPipeline, EncodedPrompts } from "./pipeline.js";

/** Concatenates the rows of `parts`. */
export function joinConditioning(parts: readonly Conditioning[]): Conditioning {
  const names = Object.keys(parts[0] ?? {});
  const named = (name: string) => parts.flatMap(({ [name]: tensor }) => tensor ?? []);
  return Object.fromEntries(names.map((name) => [name, concatRows(named(name))]));
}

/** The row of one prompt; shares memory with `conditioning`. */
export function conditioningAt(conditioning: Conditioning, index: number): Conditioning {
  return Object.fromEntries(
    Object.entries(conditioning).map(([name, tensor]) => [name, rows(tensor, index, index + 1)]),
  );
}

/** The rows at `indices`, which may repeat. */
export function selectConditioning(conditioning: Conditioning, indices: readonly number[]): Conditioning {
  return joinConditioning(indices.map((index) => conditioningAt(conditioning, index)));
}

/** Encodes prompts: a pipeline or a `PromptCache`. */
export type PromptEncoder = Pick<
  DiffusionPipeline,
  "encodePrompts" | "forceZerosForEmptyPrompt" | "conditioningShapes"
>;

/**
 * Encodes the prompts and one negative prompt (null without guidance). Each prompt is encoded alone, so that the last bits of
 * an image do not depend on the other prompts.
 */
export async function encodeForGuidance(
  pipeline: PromptEncoder,
  prompts: readonly string[],
  negative: string | null,
  options?: Abortable,
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
  const unwanted = await pipeline.encodePrompts([negative], options);
  return { conditioning, negative: unwanted.conditioning, truncated: [...truncated, ...unwanted.truncated] };
}
