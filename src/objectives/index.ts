/** @file The objectives that are known by name; `train` takes any other object of the same interface. */

import type { z } from "zod";
import type { Objective } from "./objective.js";
import { scoreMatching, scoreMatchingSettingsSchema } from "./score-matching.js";
import { softRepa, softRepaSettingsSchema } from "./softrepa.js";

export const objectives = {
  softrepa: named(softRepaSettingsSchema, softRepa),
  "score-matching": named(scoreMatchingSettingsSchema, scoreMatching),
} as const;

export type ObjectiveName = keyof typeof objectives;

/** In the order of the table. */
export const objectiveNames = Object.keys(objectives) as [ObjectiveName, ...ObjectiveName[]];

/** `create` takes what it needs of the values given, and checks it. */
function named<Settings>(settings: z.ZodType<Settings>, make: (settings: Settings) => Objective) {
  return { settings, create: (values: unknown): Objective => make(settings.parse(values)) };
}
