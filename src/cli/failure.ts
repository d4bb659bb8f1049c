/** @file Maps a thrown error to an exit code and one line. */

import { CommanderError } from "commander";
import { type ErrorKind, messageOf, SoftrepaError } from "../core/errors.js";
import { printable, visible } from "../core/text.js";
import { withFlags } from "./flags.js";
import { jsonLine } from "./json-reporter.js";
import type { ReporterStreams } from "./reporter.js";
import { stopExitCode } from "./stop-signals.js";

/** Exit codes, by who can fix the failure. */
const exitCodes: Readonly<Record<FailureKind, () => number>> = {
  input: () => 1,
  runtime: () => 1,
  internal: () => 1,
  usage: () => 2,
  interrupted: stopExitCode,
};

/** `internal` is a bug. */
export type FailureKind = ErrorKind | "internal";

export interface Failure {
  readonly kind: FailureKind;
  /** One line. */
  readonly message: string;
  readonly exitCode: number;
}

/** Describes a thrown value; undefined if nothing failed (help or version was printed). */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof CommanderError && error.exitCode === 0) return undefined;
  const [kind, message] = describe(error);
  return { kind, message: printable(message), exitCode: exitCodes[kind]() };
}

/** Prints a failure to stderr, and with `json` an event to stdout too; SOFTREPA_DEBUG=1 adds the stack. */
export function reportFailure(failure: Failure, error: unknown, json: boolean, streams: ReporterStreams): void {
  const { kind, message, exitCode } = failure;
  if (json) streams.stdout.write(`${jsonLine("error", { kind, message, exitCode })}\n`);
  // If the command is missing, commander has printed the help instead.
  if (!isHelp(error)) streams.stderr.write(`softrepa: ${message}\n`);
  if (process.env.SOFTREPA_DEBUG === "1") streams.stderr.write(`${visible(stackOf(error))}\n`);
}

function describe(error: unknown): [FailureKind, string] {
  if (error instanceof SoftrepaError) return [error.kind, withFlags(messageOf(error))];
  if (error instanceof CommanderError) return ["usage", usageMessage(error)];
  if (error instanceof Error && error.name === "AbortError") return ["interrupted", "interrupted"];
  // Node's file and network errors state what failed and where.
  if (error instanceof Error && "syscall" in error) return ["runtime", messageOf(error)];
  const name = error instanceof Error ? `${error.name}: ` : "";
  return ["internal", `internal error: ${name}${messageOf(error)} (SOFTREPA_DEBUG=1 prints the stack)`];
}

function usageMessage(error: CommanderError): string {
  if (isHelp(error)) return "a command is missing; see softrepa --help";
  return messageOf(error).replace(/^error: /, "");
}

function isHelp(error: unknown): boolean {
  return error instanceof CommanderError && error.code === "commander.help";
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${stackOf(error.cause)}`;
  return (error.stack ?? String(error)) + cause;
}
