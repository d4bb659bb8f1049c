/** @file The built-in objectives by name; `train` also takes any other `Objective`. */

import type { z } from "zod";
import type { Objective } from "./objective.js";
import { scoreMatching, scoreMatchingSettingsSchema } from "./score-matching.js";
import { softRepa, softRepaSettingsSchema } from "./softrepa.js";

export const objectives = {
  softrepa: entry(softRepaSettingsSchema, softRepa),
  "score-matching": entry(scoreMatchingSettingsSchema, scoreMatching),
} as const;

export type ObjectiveName = keyof typeof objectives;

export const objectiveNames = Object.keys(objectives) as [ObjectiveName, ...ObjectiveName[]];

/** `create` validates the settings that it needs and ignores others. */
function entry<Settings>(settings: z.ZodType<Settings>, make: (settings: Settings) => Objective) {
  return { settings, create: (values: unknown): Objective => make(settings.parse(values)) };
}
