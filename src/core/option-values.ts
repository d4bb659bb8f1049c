/** @file What values of options may be: zod schemas whose messages complete "NAME must be ...". */

import { z } from "zod";
import { parseByteSize } from "./byte-size.js";

/** Largest seed: 32 bits, as in other tools. */
export const maxSeed = 2 ** 32 - 1;

export function whole(min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number, number> {
  const wrong = `must be ${range("a whole number", min, max)}`;
  const least = z.int(wrong).min(min, wrong);
  return max === Number.MAX_SAFE_INTEGER ? least : least.max(max, wrong);
}

export function real(min: number, max = Number.POSITIVE_INFINITY): z.ZodType<number, number> {
  const wrong = `must be ${range("a number", min, max)}`;
  const least = z.number(wrong).min(min, wrong);
  return max === Number.POSITIVE_INFINITY ? least : least.max(max, wrong);
}

export const positive = z.number("must be a number above 0").positive("must be a number above 0");

/** Width or height of an image; which sizes a model can make is its pipeline's to say. */
export const pixels = whole(1, 8192);

export const seed = whole(0, maxSeed);

export const path = z.string("must be a path").min(1, "must be a path");

/** Any text, also an empty one. */
export const text = z.string("must be a text");

export const flag = z.boolean("must be true or false").default(false);

/** A size with its unit, or a number of bytes; in bytes. */
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

/** Several values, or one; `wrong` is the message for anything else. */
export function list<S extends z.ZodType>(
  value: S,
  wrong: string,
): z.ZodType<readonly z.output<S>[], readonly z.input<S>[] | z.input<S>> {
  return z.union([z.array(value).min(1), value.transform((one): z.output<S>[] => [one])], wrong);
}

/** Some of `choices`, each once and in their order. */
export function someOf<const T extends string>(
  choices: readonly [T, ...T[]],
  such: string,
): z.ZodType<readonly T[], readonly T[]> {
  const wrong = `must be one or more of ${choices.join(", ")}${such}`;
  return z
    .array(z.enum(choices, wrong), wrong)
    .min(1, wrong)
    .transform((chosen): readonly T[] => choices.filter((one) => chosen.includes(one)));
}

function range(noun: string, min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY || max === Number.MAX_SAFE_INTEGER) return `${noun} of at least ${min}`;
  return `${noun} from ${min} to ${max}`;
}
