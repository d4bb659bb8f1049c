/** @file What tests of options share: reading a command line without running it. It has no tests of its own. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Command } from "commander";
import type { CommandRun } from "../../cli/context.js";
import { failureOf } from "../../cli/failure.js";
import { createProgram } from "../../cli/program.js";

/** The options that a command line comes to. */
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

/** Exit code and message of a command line that is refused. */
export async function refusalOf<Options>(
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

/** What no machine option comes to. */
export const machine = {
  ...{ engine: "auto", provider: "auto", precision: "auto" },
  ...{ threads: undefined, variant: undefined, tokenizers: [], textEncoders: undefined, json: false },
};
