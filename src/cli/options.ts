/** @file Options of commands: a flag and a zod schema, from which help, checks and types follow. */

import { Command, Option } from "commander";
import type { z } from "zod";
import { UsageError } from "../core/errors.js";
import { helpOf, valueSchema } from "../runs/config/config-schema.js";
import { type CommandRun, inContext } from "./context.js";
import { withFlags } from "./flags.js";

/** One option: its flag, and how to read its value. */
export interface Field<T> {
  readonly option: Option;
  /** Returns the default for undefined, or throws if there is none. */
  readonly read: (typed: unknown) => T;
}

/** The options of a command by the names that its handler uses. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The parsed values of the options of a command. */
export type ValuesOf<F extends Fields> = { readonly [Key in keyof F]: F[Key] extends Field<infer T> ? T : never };

/** All values that a typed text may stand for: itself, a number, or a list of either. */
export type Interpretations = (text: string) => readonly unknown[];

/** An option whose help is the description of its schema. */
export function option<S extends z.ZodType>(
  flags: string,
  schema: S,
  interpretations: Interpretations = allInterpretations,
): Field<z.output<S>> {
  const built = new Option(flags, withFlags(helpOf(schema)));
  return { option: built, read: (typed) => read(built, schema, typed, interpretations) };
}

/** An option that may be given several times, or with several values (`<file...>`). */
export function repeated<S extends z.ZodType>(flags: string, schema: S): Field<z.output<S>> {
  const field = option(flags, schema);
  field.option.argParser<string[]>((value, previous) => [...(previous ?? []), value]);
  return field;
}

/** The option without its default: undefined if it was not typed. */
export function ifTyped<S extends z.ZodType>({ option: built, read: readTyped }: Field<z.output<S>>) {
  return { option: built, read: (typed: unknown) => (typed === undefined ? undefined : readTyped(typed)) };
}

/** `--no-paste`: false if it was typed, else undefined. */
export function switchedOff(flags: string, help: string): Field<false | undefined> {
  const built = new Option(flags, withFlags(help));
  // Commander sets a negated option to true where it was not typed.
  return { option: built, read: (typed) => (typed === false ? typed : undefined) };
}

/** For sizes, which always have a unit. */
export const asText: Interpretations = (text) => [text];

/** Puts fields under a heading in the help. */
export function group<F extends Fields>(heading: string, fields: F): F {
  for (const field of Object.values(fields)) field.option.helpGroup(`${heading}:`);
  return fields;
}

/** The parts of a command; its handler receives `Options`. */
export interface CommandParts<F extends Fields, Options> {
  readonly name: string;
  readonly description: string;
  readonly fields: F;
  /** Positional arguments: `<run...>`. */
  readonly operands?: { readonly usage: string; readonly description: string };
  /** Command lines shown below the help. */
  readonly examples: readonly string[];
  /** Checks options together and the files they name; `given` holds the names of the options that were typed. */
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
      // Commander passes operands before the options; a single one is not in a list.
      const operands = parts.operands ? [first ?? []].flat().map(String) : [];
      const typedAs = (field: Field<unknown>) => typed[field.option.attributeName()];
      // Reads every field to the type that `fields` declares for it.
      const values = Object.fromEntries(fields.map(([key, field]) => [key, field.read(typedAs(field))])) as ValuesOf<F>;
      const given = new Set(fields.filter(([, field]) => typedAs(field) !== undefined).map(([key]) => key));
      await run(await parts.resolve(values, given, operands), context);
    });
  });
}

function read<S extends z.ZodType>(
  built: Option,
  schema: S,
  typed: unknown,
  interpretations: Interpretations,
): z.output<S> {
  if (typed === undefined) {
    const { success, data } = schema.safeParse(undefined);
    if (success) return data;
    // Commander's own check would run before its check for unknown options, and hide a misspelling.
    throw new UsageError(`required option '${built.flags}' not specified`);
  }
  const value = valueSchema(schema);
  const results = (typeof typed === "string" ? interpretations(typed) : [typed]).map((interpretation) =>
    value.safeParse(interpretation),
  );
  const found = results.find(({ success }) => success);
  if (found !== undefined) return found.data as z.output<S>;
  throw new UsageError(`${built.long} ${results[0]?.error?.issues[0]?.message}, not ${JSON.stringify(typed)}`);
}

/** Decimal notation; Number() alone would accept "", " 1" and "0x10" too. */
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function allInterpretations(text: string): readonly unknown[] {
  const scalar = (part: string) => (decimal.test(part) ? Number(part) : part);
  const parts = text.split(",").map((part) => part.trim());
  return [text, scalar(text), parts.filter((part) => part !== "").map(scalar)];
}
