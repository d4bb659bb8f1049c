/** @file The SoftREPA objective (arXiv 2503.08250, equations 8 to 10): contrastive learning on denoising errors. */

import { z } from "zod";
import { at } from "../core/lists.js";
import { inBatch } from "./candidates.js";
import type { Objective } from "./objective.js";

export const softRepaSettingsSchema = z.object({
  /** logit = scale * exp(-error / temperature). */
  temperature: z.number().positive(),
  scale: z.number().positive(),
  /** Weight of the matched pair's denoising error, which is added to the loss. */
  dweight: z.number().nonnegative(),
});
export type SoftRepaSettings = Readonly<z.infer<typeof softRepaSettingsSchema>>;

/** Row-wise cross-entropy of logits scale * exp(-e / temperature), plus dweight times the matched error. */
export function softRepa({ temperature, scale, dweight }: SoftRepaSettings): Objective {
  const row: Objective["row"] = (errors, matched) => {
    const logits = errors.map((error) => scale * Math.exp(-error / temperature));
    const max = Math.max(...logits);
    const weights = logits.map((logit) => Math.exp(logit - max));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const cotangents = errors.map((_, column) => {
      const isMatched = column === matched ? 1 : 0;
      const logitGradient = at(weights, column) / total - isMatched;
      return (logitGradient * -at(logits, column)) / temperature + dweight * isMatched;
    });
    const loss = max + Math.log(total) - at(logits, matched) + dweight * at(errors, matched);
    return { loss, logits, cotangents };
  };
  return { name: "softrepa", candidates: inBatch(), row };
}
