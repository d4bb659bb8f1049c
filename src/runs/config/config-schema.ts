/** @file The JSON Schema of configuration files, for completion and checks in editors; derived from `RunSpec`. */

import { z } from "zod";
import { choice } from "../../core/option-values.js";
import { objectiveNames } from "../../objectives/index.js";
import { runSpec } from "../run-spec.js";
import { keyOf } from "./keys.js";

/** Option names of `RunSpec`, in order. */
export const runOptions = Object.keys(runSpec.shape) as readonly (keyof typeof runSpec.shape)[];

/** The description of an option, with its default. */
export function helpOf(schema: z.ZodType): string {
  const { description = "" } = schema;
  const fallback = schema instanceof z.ZodDefault ? schema.parse(undefined) : undefined;
  const isShown = (typeof fallback === "number" || typeof fallback === "string") && !description.includes("(default:");
  return isShown ? `${description} (default: ${fallback})` : description;
}

/** The schema of an option without default or optionality. */
export function valueSchema(schema: z.ZodType): z.ZodType {
  const isWrapped = schema instanceof z.ZodDefault || schema instanceof z.ZodOptional;
  return isWrapped ? valueSchema(schema.unwrap() as z.ZodType) : schema;
}

export function configSchema(): object {
  const options: Record<string, z.ZodType> = { ...runSpec.shape, objective: builtInObjective };
  const shape = runOptions.map((name) => {
    const option = options[name];
    if (option === undefined) throw new Error(`no option ${name}`);
    const help = helpOf(option).replace(/`(\w+)`/g, (_, named: string) => keyOf(named));
    // A key without a value is ignored.
    return [keyOf(name), valueSchema(option).nullable().optional().describe(help)] as const;
  });
  return { title: "softrepa train", ...z.toJSONSchema(z.strictObject(Object.fromEntries(shape)), { io: "input" }) };
}

/** Configuration files and flags can only name built-in objectives. */
export const builtInObjective = choice(objectiveNames).default("softrepa").describe("softrepa or score-matching");
