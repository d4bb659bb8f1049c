/** @file A configuration as YAML text, in the order of the command's help. */

import { stringify } from "yaml";
import type { RunSpecInput } from "../run-spec.js";
import { runOptions } from "./config-schema.js";
import { keyOf } from "./keys.js";

/** Some of a run's options; undefined ones are left out. */
export type ConfigValues = { readonly [Key in keyof RunSpecInput]?: RunSpecInput[Key] | undefined };

/** Lines of all values that are there; the first ones are comments: where editors find the schema, and `note`. */
export function configText(values: ConfigValues, schema: string, note: string): string {
  const entries = runOptions.flatMap((name): [string, unknown][] => {
    const value = values[name];
    const empty = value === undefined || (Array.isArray(value) && value.length === 0);
    return empty ? [] : [[keyOf(name), value]];
  });
  return `# yaml-language-server: $schema=${schema}\n# ${note}\n${stringify(Object.fromEntries(entries), { lineWidth: 0 })}`;
}
