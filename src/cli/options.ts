/** @file Options of commands: said once for the command line, its help, configuration files, the check of the value, and its type. */

import { Command, Option } from "commander";
import { z } from "zod";
import { parseByteSize } from "../core/byte-size.js";
import { UsageError } from "../core/errors.js";
import { type CommandRun, inContext } from "./context.js";

/** What a value must be: a check that turns the typed text into a value, and words for the message. */
export interface Kind<T> {
  readonly schema: z.ZodType<T>;
  /** The same for a value in a configuration file, which has types of its own. */
  readonly config: z.ZodType<T>;
  /** Completes "must be ...". */
  readonly what: string;
}

/** One option: how it is written, and how what was written is read. */
export interface Field<T> {
  readonly option: Option;
  readonly read: (raw: unknown) => T;
  /** What a configuration file may say. */
  readonly config: z.ZodType<T>;
  /** Completes "must be ...". */
  readonly what: string;
}

/** The options of a command, one field for each property of its type. */
export type FieldsOf<T> = { readonly [Key in keyof T]-?: Field<T[Key]> };

/** Decimal notation only: Number() alone would take "", " 1" and "0x10" too. */
const decimal = z
  .string()
  .regex(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i)
  .transform(Number);

export function whole(min: number, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  const digits = z.string().regex(/^-?\d+$/);
  return {
    schema: digits.transform(Number).pipe(z.number().min(min).max(max)),
    config: max === Number.MAX_SAFE_INTEGER ? z.int().min(min) : z.int().min(min).max(max),
    what: range("a whole number", min, max),
  };
}

export function real(min: number, max = Number.POSITIVE_INFINITY): Kind<number> {
  const least = z.number().min(min);
  const config = max === Number.POSITIVE_INFINITY ? least : least.max(max);
  return { schema: decimal.pipe(config), config, what: range("a number", min, max) };
}

export const positive: Kind<number> = {
  schema: decimal.pipe(z.number().positive()),
  config: z.number().positive(),
  what: "a number above 0",
};

/** Width or height of an image; which sizes a model can make is its pipeline's to say. */
export const pixels: Kind<number> = whole(1, 8192);

export const path: Kind<string> = same(z.string().min(1), "a path");

const typedByteSize = z
  .string()
  .refine((typed) => parseByteSize(typed) !== undefined)
  .transform((typed) => parseByteSize(typed) ?? 0);

/** A size with its unit, in bytes; a configuration file may say a number of bytes too. */
export const byteSize: Kind<number> = {
  schema: typedByteSize,
  config: z.union([z.int().positive(), typedByteSize]),
  what: "a size with its unit, such as 8GB or 6000MB",
};

/** Any text, also an empty one. */
export const text: Kind<string> = same(z.string(), "a text");

export function choice<const T extends string>(choices: readonly [T, ...T[]]): Kind<T> {
  return same(z.enum(choices), `one of ${choices.join(", ")}`);
}

/** A kind that is typed as it stands in a file. */
function same<T>(schema: z.ZodType<T>, what: string): Kind<T> {
  return { schema, config: schema, what };
}

/** An option that must be given. */
export function required<T>(flags: string, description: string, kind: Kind<T>): Field<T> {
  const option = new Option(flags, description);
  return {
    option,
    read: (raw) => {
      // Not commander's own check: that one comes before the check for unknown options, and would hide a misspelling.
      if (raw === undefined) throw new UsageError(`required option '${flags}' not specified`);
      return parse(option, kind, raw);
    },
    config: kind.config,
    what: kind.what,
  };
}

/** An option that may be left out. */
export function optional<T>(flags: string, description: string, kind: Kind<T>): Field<T | undefined> {
  const option = new Option(flags, description);
  const read = (raw: unknown) => (raw === undefined ? undefined : parse(option, kind, raw));
  return { option, read, config: kind.config, what: kind.what };
}

/** An option with a default, which help shows. */
export function defaulted<T>(flags: string, description: string, kind: Kind<T>, value: T, shown?: string): Field<T> {
  const option = new Option(flags, `${description} (default: ${shown ?? value})`);
  const read = (raw: unknown) => (raw === undefined ? value : parse(option, kind, raw));
  return { option, read, config: kind.config, what: kind.what };
}

/** An option that may be given several times, or with several values (`<file...>`). */
export function repeated<T>(flags: string, description: string, kind: Kind<T>): Field<readonly T[]> {
  const option = new Option(flags, description).argParser<string[]>((value, before) => [...(before ?? []), value]);
  return {
    option,
    read: (raw) => (raw === undefined ? [] : (raw as string[]).map((one) => parse(option, kind, one))),
    config: z.union([z.array(kind.config).min(1), kind.config.transform((one) => [one])]),
    what: `${kind.what}, or a list of them`,
  };
}

/** An option without value. */
export function flag(flags: string, description: string): Field<boolean> {
  const option = new Option(flags, description);
  return { option, read: (raw) => raw === true, config: z.boolean(), what: "true or false" };
}

/** Puts fields under a heading of their own in the help. */
export function under<T extends Readonly<Record<string, Field<unknown>>>>(heading: string, fields: T): T {
  for (const { option } of Object.values(fields)) option.helpGroup(`${heading}:`);
  return fields;
}

/** What a command is made of: `Raw` is what its options say, `Options` what its handler gets. */
export interface CommandParts<Raw extends { json: boolean }, Options> {
  readonly name: string;
  readonly description: string;
  readonly fields: FieldsOf<Raw>;
  /** What stands on the command line without an option's name: `<run...>`. */
  readonly operands?: { readonly usage: string; readonly description: string };
  /** Command lines shown below the help. */
  readonly examples: readonly string[];
  /** Values that hold where nothing was typed, such as those of a configuration file. */
  readonly below?: (typed: Readonly<Record<string, unknown>>, operands: readonly string[]) => Promise<Partial<Raw>>;
  /** Checks what options say together, and looks at the files they name; `given` has the options that were typed. */
  readonly resolve: (raw: Raw, given: ReadonlySet<keyof Raw>, operands: readonly string[]) => Promise<Options>;
}

export function defineCommand<Raw extends { json: boolean }, Options>(
  parts: CommandParts<Raw, Options>,
  run: CommandRun<Options>,
): Command {
  const keys = Object.keys(parts.fields) as (keyof Raw & string)[];
  const command = new Command(parts.name).description(parts.description);
  for (const key of keys) {
    const { option } = parts.fields[key];
    if (option.attributeName() !== key) throw new Error(`option ${option.flags} stands under the name ${key}`);
    command.addOption(option);
  }
  if (parts.operands) command.argument(parts.operands.usage, parts.operands.description);
  command.addHelpText("after", `\nExamples:\n${parts.examples.map((line) => `  $ ${line}`).join("\n")}`);
  return command.action(async (first: unknown) => {
    const typed = command.opts<Record<string, unknown>>();
    await inContext(typed.json === true, async (context) => {
      // Commander hands the operands over in front of the options; one alone is not in a list.
      const operands = parts.operands ? [first ?? []].flat().map(String) : [];
      const below: Partial<Raw> = (await parts.below?.(typed, operands)) ?? {};
      const pick = (key: keyof Raw & string) =>
        typed[key] === undefined && below[key] !== undefined ? below[key] : parts.fields[key].read(typed[key]);
      // The table has one field for each property of Raw, so reading all of them makes one.
      const raw = Object.fromEntries(keys.map((key) => [key, pick(key)])) as unknown as Raw;
      const given = new Set(keys.filter((key) => typed[key] !== undefined));
      await run(await parts.resolve(raw, given, operands), context);
    });
  });
}

function parse<T>(option: Option, kind: Kind<T>, raw: unknown): T {
  const parsed = kind.schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new UsageError(`${option.long} must be ${kind.what}, not ${JSON.stringify(raw)}`);
}

function range(noun: string, min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY || max === Number.MAX_SAFE_INTEGER) return `${noun} of at least ${min}`;
  return `${noun} from ${min} to ${max}`;
}
