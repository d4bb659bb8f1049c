/** @file The JSON Schema of a configuration file, by which editors complete and check it; made of the checks that are run. */

import { z } from "zod";
import type { Field, FieldsOf } from "../options.js";
import { keyOf } from "./config-file.js";

/** A schema that allows the options of a command but those in `left`. */
export function configSchema<Raw>(title: string, fields: FieldsOf<Raw>, left: readonly (keyof Raw)[]): object {
  const shape: Record<string, z.ZodType> = {};
  for (const name of Object.keys(fields) as (keyof Raw & string)[]) {
    if (left.includes(name)) continue;
    const field: Field<unknown> = fields[name];
    // A key without a value is as if it were not there.
    shape[keyOf(field)] = field.config.nullable().optional().describe(field.option.description);
  }
  return { title, ...z.toJSONSchema(z.strictObject(shape), { io: "input" }) };
}
