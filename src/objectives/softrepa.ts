/** @file The SoftREPA objective (arXiv 2503.08250, equations 8 to 10): contrastive learning on denoising errors. */

import { z } from "zod";
import { at } from "../core/lists.js";
import { inBatch } from "./candidates.js";
import type { Objective } from "./objective.js";

export const softRepaSettingsSchema = z.object({
  /** Softens the errors: logit = scale * exp(-error / temperature). */
  temperature: z.number().positive(),
  scale: z.number().positive(),
  /** Weight of the plain denoising error of the matching pair, added to the loss. */
  dweight: z.number().nonnegative(),
});
export type SoftRepaSettings = Readonly<z.infer<typeof softRepaSettingsSchema>>;

/** Row-wise cross-entropy of logits scale * exp(-e / temperature), plus dweight times the own error. */
export function softRepa({ temperature, scale, dweight }: SoftRepaSettings): Objective {
  const row: Objective["row"] = (errors, own) => {
    const logits = errors.map((error) => scale * Math.exp(-error / temperature));
    const highest = Math.max(...logits);
    const weights = logits.map((logit) => Math.exp(logit - highest));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const cotangents = errors.map((_, column) => {
      const isOwn = column === own ? 1 : 0;
      const towardsLogit = at(weights, column) / total - isOwn;
      return (towardsLogit * -at(logits, column)) / temperature + dweight * isOwn;
    });
    const loss = highest + Math.log(total) - at(logits, own) + dweight * at(errors, own);
    return { loss, logits, cotangents };
  };
  return { name: "softrepa", candidates: inBatch(), row };
}
