/** @file Options of the editing methods, from the methods' own schemas. */

import { z } from "zod";
import { type EditMethodName, editMethodNames, editMethods } from "../../editing/index.js";
import { keyOf } from "../../runs/config/keys.js";
import { type Field, option, switchedOff } from "../options.js";

/** The schema of each option by the methods that have it. */
const users = new Map<string, ReadonlyMap<EditMethodName, z.ZodType>>();
for (const method of editMethodNames) {
  for (const [name, schema] of Object.entries(editMethods[method].options)) {
    users.set(name, new Map([...(users.get(name) ?? []), [method, schema as z.ZodType]]));
  }
}

export const methodOptionNames = [...users.keys()];

const placeholders: Readonly<Record<string, string>> = { preset: "name", inversionPrompt: "text" };

/** One field for each option of any method; the chosen method rejects those that it does not use. */
export function methodFields(): Readonly<Record<string, Field<unknown>>> {
  return Object.fromEntries(
    [...users].map(([name, schemas]): [string, Field<unknown>] => {
      const [schema = z.never()] = schemas.values();
      const flag = `--${keyOf(name)}`;
      const help = helpOf(schemas);
      if (isBoolean(schema)) return [name, switchedOff(flag, `do not ${help}`)];
      return [name, option(`${flag} <${placeholders[name] ?? "n"}>`, schema.describe(help))];
    }),
  );
}

/** "sampling steps (flowedit: 50; flowalign: 33)" of the methods' "sampling steps (50)" and "sampling steps (33)". */
function helpOf(schemas: ReadonlyMap<EditMethodName, z.ZodType>): string {
  const descriptions = [...schemas].map(([method, { description = "" }]) => {
    const [, text = description, preset = ""] = /^(.*) \((.*)\)$/.exec(description) ?? [];
    return { method, text, preset };
  });
  const presets = [...new Set(descriptions.map(({ preset }) => preset))];
  const lists = presets.map((preset) => {
    const methods = descriptions.filter((one) => one.preset === preset).map(({ method }) => method);
    return `${methods.join(", ")}: ${preset}`;
  });
  return `${descriptions[0]?.text} (${lists.join("; ")})`;
}

function isBoolean(schema: z.ZodType): boolean {
  return schema.safeParse(false).success;
}
