/** @file The JSON Schema of a configuration file, by which editors complete and check it; made of the checks that are run. */

import { z } from "zod";
import { choice } from "../../core/option-values.js";
import { objectiveNames } from "../../objectives/index.js";
import { runSpec } from "../run-spec.js";
import { keyOf } from "./keys.js";

/** Names of `RunSpec`, in their order. */
export const runOptions = Object.keys(runSpec.shape) as readonly (keyof typeof runSpec.shape)[];

/** What an option is for, and what it is where it is not given. */
export function helpOf(schema: z.ZodType): string {
  const { description = "" } = schema;
  const standard = schema instanceof z.ZodDefault ? schema.parse(undefined) : undefined;
  const isShown = (typeof standard === "number" || typeof standard === "string") && !description.includes("(default:");
  return isShown ? `${description} (default: ${standard})` : description;
}

/** The schema of an option's value alone. */
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
    // A key without a value is as if it were not there.
    return [keyOf(name), valueSchema(option).nullable().optional().describe(help)] as const;
  });
  return { title: "softrepa train", ...z.toJSONSchema(z.strictObject(Object.fromEntries(shape)), { io: "input" }) };
}

/** A file can name no other. */
export const builtInObjective = choice(objectiveNames).default("softrepa").describe("softrepa or score-matching");
