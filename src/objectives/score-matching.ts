/** @file Score matching: the mean denoising error under own captions, the loss that diffusion models are pre-trained with. */

import { z } from "zod";
import { at } from "../core/lists.js";
import { ownCaption } from "./candidates.js";
import type { Objective } from "./objective.js";

export const scoreMatchingSettingsSchema = z.object({});

export function scoreMatching(): Objective {
  return {
    name: "score-matching",
    candidates: ownCaption(),
    row: (errors, own) => ({
      loss: at(errors, own),
      cotangents: errors.map((_, column) => (column === own ? 1 : 0)),
    }),
  };
}
