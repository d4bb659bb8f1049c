/** @file The `softrepa` program: its commands, and error handling for all of them. */

import { Command } from "commander";
import { packageVersion } from "../core/version.js";
import { failureOf, reportFailure } from "./failure.js";
import { processStreams } from "./reporter.js";

/** Creates the program. Help and version go to stdout; errors are thrown, not printed. */
export function createProgram(commands: readonly Command[]): Command {
  const program = new Command("softrepa")
    .description("Train and use soft text tokens for text-to-image diffusion models")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  for (const command of commands) adopt(program, command);
  return program;
}

/** Runs the program on the arguments after its name and returns the exit code; never throws. */
export async function runProgram(program: Command, args: readonly string[]): Promise<number> {
  const streams = processStreams();
  const json = args.includes("--json");
  for (const stream of [process.stdout, process.stderr]) stream.on("error", ignoreBrokenPipe);
  // Errors outside of any promise are bugs; they are reported in one line too.
  process.on("uncaughtException", (error) => {
    const failure = failureOf(error);
    if (failure) reportFailure(failure, error, json, streams);
    process.exit(failure?.exitCode ?? 1);
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    const failure = failureOf(error);
    if (!failure) return 0;
    reportFailure(failure, error, json, streams);
    return failure.exitCode;
  }
}

/** If the reader of a pipe has ended (`softrepa ... | head`) or the terminal is closed, discards output and lets the work continue. */
function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
}

/** Adds a command with the settings of its parent, which commander copies only to commands that it creates itself. */
function adopt(parent: Command, child: Command): void {
  child.copyInheritedSettings(parent);
  if (!parent.commands.includes(child)) parent.addCommand(child);
  for (const command of child.commands) adopt(child, command);
}
