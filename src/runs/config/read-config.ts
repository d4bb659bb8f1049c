/** @file Reads configuration files: YAML with one key per option of a run, named like its flag. */

import { readFile, stat } from "node:fs/promises";
import { isMap, isScalar, LineCounter, type Pair, parseDocument } from "yaml";
import { InputError, messageOf } from "../../core/errors.js";
import { contradiction } from "../complete-spec.js";
import { type RunSpecInput, runSpec } from "../run-spec.js";
import { runOptions, valueSchema } from "./config-schema.js";
import { keyOf } from "./keys.js";
import { nearestName } from "./nearest-name.js";

/** Bytes. */
const maxSize = 2 ** 20;

/**
 * Reads a configuration file and checks every value on its own.
 *
 * @throws InputError with the file, line and key
 */
export async function readConfigFile(file: string): Promise<Partial<RunSpecInput>> {
  const byKey = new Map(runOptions.map((name) => [keyOf(name), name]));
  const lines = new LineCounter();
  const document = parseDocument(await readText(file), { lineCounter: lines });
  const [fault] = document.errors;
  if (fault !== undefined) {
    // The message without the excerpt of the file that the library appends.
    const [reason = ""] = fault.message.split(/ at line \d+, column \d+/);
    throw new InputError(`${file}:${lines.linePos(fault.pos[0]).line}: ${messageOf(reason)}`);
  }
  if (document.contents === null) return {};
  if (!isMap(document.contents))
    throw new InputError(`${file}: a configuration must be a YAML mapping with lines such as "steps: 500"`);
  const values: Partial<Record<keyof RunSpecInput, unknown>> = {};
  for (const pair of document.contents.items as Pair[]) {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    const start = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
    const where = start === undefined ? file : `${file}:${lines.linePos(start).line}`;
    const name = byKey.get(key);
    if (name === undefined) {
      const near = nearestName(key, [...byKey.keys()]);
      const help = near === undefined ? "see softrepa train --help" : `did you mean ${JSON.stringify(near)}?`;
      throw new InputError(`${where}: unknown key ${JSON.stringify(key.slice(0, 60))}; ${help}`);
    }
    const value = plainValue(pair, document, where);
    // A key without a value is ignored.
    if (value === null) continue;
    const { data, error } = valueSchema(runSpec.shape[name]).safeParse(value);
    if (error !== undefined) throw new InputError(`${where}: ${key} ${error.issues[0]?.message}, not ${shown(value)}`);
    values[name] = data;
  }
  // Every value was parsed by its schema.
  const options = values as Partial<RunSpecInput>;
  const clash = contradiction(options);
  if (clash !== undefined) throw new InputError(`${file}: ${clash}`);
  return options;
}

function plainValue(pair: Pair, document: ReturnType<typeof parseDocument>, where: string): unknown {
  try {
    const { value } = pair as Pair<unknown, { toJS?: (document: unknown) => unknown } | null>;
    return value?.toJS === undefined ? null : value.toJS(document);
  } catch (error) {
    throw new InputError(`${where}: ${messageOf(error)}`, { cause: error });
  }
}

function shown(value: unknown): string {
  if (typeof value === "number") return String(value);
  try {
    const json = JSON.stringify(value) ?? String(value);
    return json.length > 60 ? `${json.slice(0, 57)}...` : json;
  } catch {
    // An alias may be inside the node that it refers to.
    return "a cyclic value";
  }
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > maxSize) throw new InputError(`${file} has ${size} bytes: this is not a configuration`);
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot read configuration ${file}: ${messageOf(error)}`, { cause: error });
  }
}
