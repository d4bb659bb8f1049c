/** @file Helpers for tests of options: parse a command line without running it. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Command } from "commander";
import type { CommandRun } from "../../cli/context.js";
import { failureOf } from "../../cli/failure.js";
import { createProgram } from "../../cli/program.js";

/** The parsed options of a command line. */
export async function optionsOf<Options>(
  build: (run: CommandRun<Options>) => Command,
  args: string[],
): Promise<Options> {
  const seen: Options[] = [];
  const command = build(async (options) => {
    seen.push(options);
  });
  await createProgram([command]).parseAsync([command.name(), ...args], { from: "user" });
  assert.ok(seen[0] !== undefined);
  return seen[0];
}

/** Exit code and message of a rejected command line. */
export async function rejectionOf<Options>(
  build: (run: CommandRun<Options>) => Command,
  args: string[],
): Promise<string> {
  try {
    await optionsOf(build, args);
  } catch (error) {
    const failure = failureOf(error);
    return `${failure?.exitCode} ${failure?.message}`;
  }
  return "accepted";
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "softrepa-cli-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Values of machine options that are not given. */
export const machine = {
  ...{ engine: "auto", provider: "auto", precision: "auto" },
  ...{ threads: undefined, variant: undefined, tokenizers: [], textEncoders: undefined, json: false },
};
