/** @file Score matching: the mean denoising error with matched captions, the pre-training loss of diffusion models. */

import { z } from "zod";
import { at } from "../core/lists.js";
import { matchedCaption } from "./candidates.js";
import type { Objective } from "./objective.js";

export const scoreMatchingSettingsSchema = z.object({});

export function scoreMatching(): Objective {
  return {
    name: "score-matching",
    candidates: matchedCaption(),
    row: (errors, matched) => ({
      loss: at(errors, matched),
      cotangents: errors.map((_, column) => (column === matched ? 1 : 0)),
    }),
  };
}
