/** @file zod schemas for values of options; their messages complete "NAME must be ...". */

import { z } from "zod";
import { parseByteSize } from "./byte-size.js";

/** Largest seed: 32 bits, as in other tools. */
export const maxSeed = 2 ** 32 - 1;

export function integer(min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number, number> {
  const wrong = `must be ${range("a whole number", min, max)}`;
  const least = z.int(wrong).min(min, wrong);
  return max === Number.MAX_SAFE_INTEGER ? least : least.max(max, wrong);
}

export function number(min: number, max = Number.POSITIVE_INFINITY): z.ZodType<number, number> {
  const wrong = `must be ${range("a number", min, max)}`;
  const least = z.number(wrong).min(min, wrong);
  return max === Number.POSITIVE_INFINITY ? least : least.max(max, wrong);
}

export const positive = z.number("must be a number above 0").positive("must be a number above 0");

/** Width or height of an image; the pipeline checks which sizes its model supports. */
export const pixels = integer(1, 8192);

/**
 * A seed as torch takes it, 64 bits or negative: the low 32 bits, since its CPU generator uses no others. `least` -1 keeps -1,
 * which then has a meaning of its own.
 */
export function torchSeed(least: -1 | 0): z.ZodType<number, number | string> {
  const wrong = `must be a whole number of at most 64 bits${least === -1 ? " (-1: random)" : ""}`;
  return z
    .union([z.int(), z.string().regex(/^[+-]?\d{1,20}$/, wrong)], wrong)
    .transform((typed) => BigInt(typed))
    .refine((value) => value >= -(2n ** 63n) && value < 2n ** 64n, wrong)
    .transform((value) => (value === BigInt(least) ? least : Number(BigInt.asUintN(32, value))));
}

export const seed = torchSeed(0);

export const path = z.string("must be a path").min(1, "must be a path");

/** Any text, including the empty one. */
export const text = z.string("must be a text");

export const flag = z.boolean("must be true or false").default(false);

/** A size with its unit, or a number of bytes. The output is in bytes. */
export const byteSize = z.union(
  [
    z.int().positive(),
    z
      .string()
      .refine((typed) => parseByteSize(typed) !== undefined)
      .transform((typed) => parseByteSize(typed) ?? 0),
  ],
  "must be a size with its unit, such as 8GB or 6000MB",
);

export function choice<const T extends string>(choices: readonly T[]) {
  return z.enum(choices, `must be one of ${choices.join(", ")}`);
}

/** A list of values, or a single value; `wrong` is the message for anything else. */
export function list<S extends z.ZodType>(
  value: S,
  wrong: string,
): z.ZodType<readonly z.output<S>[], readonly z.input<S>[] | z.input<S>> {
  return z.union([z.array(value).min(1), value.transform((one): z.output<S>[] => [one])], wrong);
}

/** A subset of `choices`, in their order and without duplicates; `example` completes the message. */
export function someOf<const T extends string>(
  choices: readonly [T, ...T[]],
  example: string,
): z.ZodType<readonly T[], readonly T[]> {
  const wrong = `must be one or more of ${choices.join(", ")}${example}`;
  return z
    .array(z.enum(choices, wrong), wrong)
    .min(1, wrong)
    .transform((chosen): readonly T[] => choices.filter((one) => chosen.includes(one)));
}

function range(noun: string, min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY || max === Number.MAX_SAFE_INTEGER) return `${noun} of at least ${min}`;
  return `${noun} from ${min} to ${max}`;
}
