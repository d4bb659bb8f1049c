/** @file The `softrepa` program: its commands, and what holds for all of them. */

import { Command } from "commander";
import { packageVersion } from "../core/version.js";
import { failureOf, reportFailure } from "./failure.js";
import { processStreams } from "./reporter.js";

/** The program with the given commands; help and version go to stdout, errors are thrown and not printed. */
export function createProgram(commands: readonly Command[]): Command {
  const program = new Command("softrepa")
    .description("Train soft text tokens for text-to-image diffusion models, and use them")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  for (const command of commands) adopt(program, command);
  return program;
}

/** Runs the program on the arguments behind its name, and gives the exit code; never throws. */
export async function runProgram(program: Command, args: readonly string[]): Promise<number> {
  const streams = processStreams();
  const json = args.includes("--json");
  for (const stream of [process.stdout, process.stderr]) stream.on("error", ignoreBrokenPipe);
  // What escapes every promise is a fault of this program; it too ends in one line.
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

/** A reader that went away (`softrepa ... | head`) wants no more output; the work itself goes on. */
function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

/** Commander passes settings on only to commands that it creates itself. */
function adopt(parent: Command, child: Command): void {
  child.copyInheritedSettings(parent);
  if (!parent.commands.includes(child)) parent.addCommand(child);
  for (const command of child.commands) adopt(child, command);
}
