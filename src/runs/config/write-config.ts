/** @file Formats a configuration as YAML, in the order of the help. */

import { stringify } from "yaml";
import type { RunSpecInput } from "../run-spec.js";
import { runOptions } from "./config-schema.js";
import { keyOf } from "./keys.js";

/** Some options of a run; undefined ones are omitted. */
export type ConfigValues = { readonly [Key in keyof RunSpecInput]?: RunSpecInput[Key] | undefined };

/** The YAML text, after comments with the path of the schema, for editors, and `note`. */
export function configText(values: ConfigValues, schema: string, note: string): string {
  const entries = runOptions.flatMap((name): [string, unknown][] => {
    const value = values[name];
    const empty = value === undefined || (Array.isArray(value) && value.length === 0);
    return empty ? [] : [[keyOf(name), value]];
  });
  return `# yaml-language-server: $schema=${schema}\n# ${note}\n${stringify(Object.fromEntries(entries), { lineWidth: 0 })}`;
}
