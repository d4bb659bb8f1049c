/** @file What becomes of a thrown error: an exit code and one line. */

import { CommanderError } from "commander";
import { type ErrorKind, messageOf, SoftrepaError } from "../core/errors.js";
import { printable } from "../core/text.js";
import { withFlags } from "./flags.js";
import { jsonLine } from "./json-reporter.js";
import type { ReporterStreams } from "./reporter.js";

/** Exit codes of the command, by who can mend the failure. */
const exitCodes: Readonly<Record<FailureKind, number>> = {
  input: 1,
  runtime: 1,
  internal: 1,
  usage: 2,
  interrupted: 130,
};

/** `internal` is an error that nobody threw on purpose. */
export type FailureKind = ErrorKind | "internal";

export interface Failure {
  readonly kind: FailureKind;
  /** One line. */
  readonly message: string;
  readonly exitCode: number;
}

/** Puts anything thrown into words; undefined where nothing failed (help or version was shown). */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof CommanderError && error.exitCode === 0) return undefined;
  const [kind, message] = describe(error);
  return { kind, message: printable(message), exitCode: exitCodes[kind] };
}

/** Tells of a failure on stderr, and with `json` as an event on stdout too; SOFTREPA_DEBUG=1 adds where it came from. */
export function reportFailure(failure: Failure, error: unknown, json: boolean, streams: ReporterStreams): void {
  const { kind, message, exitCode } = failure;
  if (json) streams.stdout.write(`${jsonLine("error", { kind, message, exitCode })}\n`);
  // Where a command is missing commander has shown the help instead.
  if (!isHelp(error)) streams.stderr.write(`softrepa: ${message}\n`);
  if (process.env.SOFTREPA_DEBUG === "1") streams.stderr.write(`${stackOf(error)}\n`);
}

function describe(error: unknown): [FailureKind, string] {
  if (error instanceof SoftrepaError) return [error.kind, withFlags(messageOf(error))];
  if (error instanceof CommanderError) return ["usage", usageMessage(error)];
  if (error instanceof Error && error.name === "AbortError") return ["interrupted", "interrupted"];
  // Node's own file and network errors say what failed and where; they need no more words.
  if (error instanceof Error && "syscall" in error) return ["runtime", messageOf(error)];
  const name = error instanceof Error ? `${error.name}: ` : "";
  return ["internal", `internal error: ${name}${messageOf(error)} (SOFTREPA_DEBUG=1 shows where)`];
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
