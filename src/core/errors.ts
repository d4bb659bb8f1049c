/** @file Errors that users see. Each message is one line: what is wrong, where, and what to do. */

/** What went wrong, by who can fix it; the command line maps it to an exit code. */
export type ErrorKind =
  /** The command or call is wrong: unknown option, impossible combination (exit 2). */
  | "usage"
  /** A file, folder or value is damaged, missing or does not fit (exit 1). */
  | "input"
  /** A limit of the machine: provider missing, out of memory, disk full (exit 1). */
  | "runtime"
  /** Stopped by the user; finished work has been saved (exit 130, or 143 and 129 after SIGTERM and SIGHUP). */
  | "interrupted";

/** An option's name in a message. */
export const optionName = /`([a-z][A-Za-z0-9]*)`/;

/**
 * Base class of all errors that this package throws on purpose. `message` is a single line. It names options in backticks
 * as the library spells them; the command line replaces them by flags.
 */
export class SoftrepaError extends Error {
  override readonly name: string = "SoftrepaError";

  /** The option that caused the error: the first one that the message names. */
  get option(): string | undefined {
    return optionName.exec(this.message)?.[1];
  }

  constructor(
    readonly kind: ErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A file, folder or value that cannot be used. */
export class InputError extends SoftrepaError {
  override readonly name = "InputError";

  constructor(message: string, options?: ErrorOptions) {
    super("input", message, options);
  }
}

/** A call or command line that is wrong. */
export class UsageError extends SoftrepaError {
  override readonly name = "UsageError";

  constructor(message: string, options?: ErrorOptions) {
    super("usage", message, options);
  }
}

/** A limit or failure of the machine. */
export class RuntimeFailure extends SoftrepaError {
  override readonly name = "RuntimeFailure";

  constructor(message: string, options?: ErrorOptions) {
    super("runtime", message, options);
  }
}

/** Thrown at the next safe point after a stop request. */
export class InterruptedError extends SoftrepaError {
  override readonly name = "InterruptedError";

  constructor(message = "interrupted") {
    super("interrupted", message);
  }
}

/** Aborting `signal` stops long work: it throws an InterruptedError at the next safe point. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

/** Marks a safe point. @throws InterruptedError if `signal` is aborted */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError();
}

/** The message of a thrown value, as one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s*\n\s*/g, " ").trim();
}

/** Makes the compiler prove that a switch is exhaustive. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
