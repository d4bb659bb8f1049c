/** @file A configuration as YAML text, in the order of the command's help. */

import { stringify } from "yaml";
import type { FieldsOf } from "../options.js";
import { keyOf } from "./config-file.js";

/** Values of some options; undefined ones are left out. */
export type ConfigValues<Raw> = { readonly [Key in keyof Raw]?: Raw[Key] | undefined };

/** Lines of all values that are there; the first ones are comments: `note`, and where editors find the schema. */
export function configText<Raw>(
  values: ConfigValues<Raw>,
  fields: FieldsOf<Raw>,
  schema: string,
  note: string,
): string {
  const entries = (Object.keys(fields) as (keyof Raw & string)[]).flatMap((name): [string, unknown][] => {
    const value = values[name];
    const empty = value === undefined || (Array.isArray(value) && value.length === 0);
    return empty ? [] : [[keyOf(fields[name]), value]];
  });
  return `# yaml-language-server: $schema=${schema}\n# ${note}\n${stringify(Object.fromEntries(entries), { lineWidth: 0 })}`;
}
