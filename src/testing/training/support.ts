/** @file Reference values of PyTorch's optimizers; the fixture documents how it was created. */

import { readFileSync } from "node:fs";
import { z } from "zod";
import { fixture } from "../weights/support.js";

const numbers = z.array(z.number());

/** Results of torch.optim.AdamW and CosineAnnealingWarmRestarts. */
export const torchOptimizers = z
  .object({
    adamw: z
      .array(
        z.object({
          name: z.string(),
          start: numbers,
          /** Per step. */
          gradients: z.array(numbers),
          rates: numbers,
          weightDecay: z.number(),
          beta1: z.number(),
          beta2: z.number(),
          epsilon: z.number(),
          /** After each step. */
          parameters: z.array(numbers),
        }),
      )
      .nonempty(),
    cosine: z
      .array(z.object({ learningRate: z.number(), period: z.number(), minimum: z.number(), rates: numbers }))
      .nonempty(),
  })
  .parse(JSON.parse(readFileSync(fixture("training", "torch-optim.json"), "utf8")));
