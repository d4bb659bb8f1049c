/** @file Options of commands: a flag and a zod schema, from which help, the check of what was typed, and types follow. */

import { Command, Option } from "commander";
import type { z } from "zod";
import { UsageError } from "../core/errors.js";
import { helpOf, valueSchema } from "../runs/config/config-schema.js";
import { type CommandRun, inContext } from "./context.js";
import { withFlags } from "./flags.js";

/** One option: how it is written, and how what was written is read. */
export interface Field<T> {
  readonly option: Option;
  /** Of undefined: the default, or an error where there is none. */
  readonly read: (typed: unknown) => T;
}

/** The options of a command by the names of its handler. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

/** What the options of a command come to. */
export type ValuesOf<F extends Fields> = { readonly [Key in keyof F]: F[Key] extends Field<infer T> ? T : never };

/** What a typed text may stand for: itself, a number, or a list of either. */
export type Meanings = (text: string) => readonly unknown[];

/** An option whose help is the schema's description. */
export function option<S extends z.ZodType>(
  flags: string,
  schema: S,
  meanings: Meanings = allMeanings,
): Field<z.output<S>> {
  const built = new Option(flags, withFlags(helpOf(schema)));
  return { option: built, read: (typed) => read(built, schema, typed, meanings) };
}

/** An option that may be given several times, or with several values (`<file...>`). */
export function repeated<S extends z.ZodType>(flags: string, schema: S): Field<z.output<S>> {
  const field = option(flags, schema);
  field.option.argParser<string[]>((value, before) => [...(before ?? []), value]);
  return field;
}

/** The option without its default: what was not typed is undefined. */
export function ifTyped<S extends z.ZodType>({ option: built, read: readTyped }: Field<z.output<S>>) {
  return { option: built, read: (typed: unknown) => (typed === undefined ? undefined : readTyped(typed)) };
}

/** Sizes are never typed without their unit. */
export const asText: Meanings = (text) => [text];

/** Puts fields under a heading of their own in the help. */
export function under<F extends Fields>(heading: string, fields: F): F {
  for (const field of Object.values(fields)) field.option.helpGroup(`${heading}:`);
  return fields;
}

/** What a command is made of: `Options` is what its handler gets. */
export interface CommandParts<F extends Fields, Options> {
  readonly name: string;
  readonly description: string;
  readonly fields: F;
  /** What stands on the command line without an option's name: `<run...>`. */
  readonly operands?: { readonly usage: string; readonly description: string };
  /** Command lines shown below the help. */
  readonly examples: readonly string[];
  /** Checks what options say together, and looks at the files they name; `given` has the options that were typed. */
  readonly resolve: (values: ValuesOf<F>, given: ReadonlySet<keyof F>, operands: readonly string[]) => Promise<Options>;
}

export function defineCommand<F extends Fields, Options>(
  parts: CommandParts<F, Options>,
  run: CommandRun<Options>,
): Command {
  const fields: readonly (readonly [keyof F, Field<unknown>])[] = Object.entries(parts.fields);
  const command = new Command(parts.name).description(parts.description);
  for (const [, field] of fields) command.addOption(field.option);
  if (parts.operands) command.argument(parts.operands.usage, parts.operands.description);
  command.addHelpText("after", `\nExamples:\n${parts.examples.map((line) => `  $ ${line}`).join("\n")}`);
  return command.action(async (first: unknown) => {
    const typed = command.opts<Record<string, unknown>>();
    await inContext(typed.json === true, async (context) => {
      // Commander hands the operands over in front of the options; one alone is not in a list.
      const operands = parts.operands ? [first ?? []].flat().map(String) : [];
      const typedAs = (field: Field<unknown>) => typed[field.option.attributeName()];
      // All fields are read, each to the type that the table has for it.
      const values = Object.fromEntries(fields.map(([key, field]) => [key, field.read(typedAs(field))])) as ValuesOf<F>;
      const given = new Set(fields.filter(([, field]) => typedAs(field) !== undefined).map(([key]) => key));
      await run(await parts.resolve(values, given, operands), context);
    });
  });
}

function read<S extends z.ZodType>(built: Option, schema: S, typed: unknown, meanings: Meanings): z.output<S> {
  if (typed === undefined) {
    const { success, data } = schema.safeParse(undefined);
    if (success) return data;
    // Not commander's own check: that one comes before the check for unknown options, and would hide a misspelling.
    throw new UsageError(`required option '${built.flags}' not specified`);
  }
  const value = valueSchema(schema);
  const results = (typeof typed === "string" ? meanings(typed) : [typed]).map((meaning) => value.safeParse(meaning));
  const found = results.find(({ success }) => success);
  if (found !== undefined) return found.data as z.output<S>;
  throw new UsageError(`${built.long} ${results[0]?.error?.issues[0]?.message}, not ${JSON.stringify(typed)}`);
}

/** Decimal notation only: Number() alone would take "", " 1" and "0x10" too. */
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function allMeanings(text: string): readonly unknown[] {
  const simple = (part: string) => (decimal.test(part) ? Number(part) : part);
  const parts = text.split(",").map((part) => part.trim());
  return [text, simple(text), parts.filter((part) => part !== "").map(simple)];
}
