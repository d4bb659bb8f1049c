/** @file Options shared by several methods: ranges and help texts. */

import type { z } from "zod";
import { UsageError } from "../core/errors.js";
import { integer, number, text } from "../core/option-values.js";

export const stepsOption = (preset: number | string) => described(integer(1, 1000), `sampling steps (${preset})`);

export const guidanceOption = (preset: number | string) =>
  described(number(0), `guidance scale; 1 is no guidance (${preset})`);

export const strengthOption = (preset: number) =>
  described(number(0, 1), `how much of the image is noised, 0..1 (${preset})`);

/** How many of the last steps run: a count, or a share of all steps. */
export const lastStepsOption = (preset: string) =>
  described(
    number(0, 1000).refine((n) => n < 1 || Number.isInteger(n), "must be a whole number, or a share below 1"),
    `the last steps that run: a count, or a share below 1 (${preset})`,
  );

export const shareOption = (what: string, preset: number) => described(number(0, 1), `${what}, 0..1 (${preset})`);

export const inversionPromptOption = (preset: string) => described(text, `prompt for the inversion (${preset})`);

export function described<T extends z.ZodType>(value: T, help: string): z.ZodOptional<T> {
  return value.optional().describe(help);
}

/** Converts `nMax` to a count of steps; UsageError unless it is in 1..steps. */
export function lastSteps(nMax: number, steps: number): number {
  const count = nMax < 1 ? Math.round(nMax * steps) : nMax;
  if (count < 1) throw new UsageError(`\`nMax\` ${nMax} of ${steps} steps is no step: raise it`);
  if (count <= steps) return count;
  throw new UsageError(`\`nMax\` ${count} is above the ${steps} steps: lower it or raise \`steps\``);
}
