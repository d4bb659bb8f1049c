/** @file The errors a user may see. Each carries one line: what was wrong, where, and what to do. */

/** What went wrong, by who can fix it; the command line maps it to an exit code. */
export type ErrorKind =
  /** The command or call itself is wrong: unknown option, impossible combination (exit 2). */
  | "usage"
  /** A file, folder or value that was handed in is damaged, missing or does not fit (exit 1). */
  | "input"
  /** The machine cannot do it: provider missing, out of memory, disk full (exit 1). */
  | "runtime"
  /** Stopped by the user; what was finished has been saved (exit 130). */
  | "interrupted";

/** An option's name in a message. */
export const optionName = /`([a-z][A-Za-z0-9]*)`/;

/**
 * Base class of every error this package throws on purpose. `message` is a single line; options stand in it as the library
 * spells them, in backticks: the command line writes flags in their place.
 */
export class SoftrepaError extends Error {
  override readonly name: string = "SoftrepaError";

  /** The option that the error is about: the first that the message names. */
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

/** A call or command line that makes no sense. */
export class UsageError extends SoftrepaError {
  override readonly name = "UsageError";

  constructor(message: string, options?: ErrorOptions) {
    super("usage", message, options);
  }
}

/** The machine cannot do what was asked. */
export class RuntimeFailure extends SoftrepaError {
  override readonly name = "RuntimeFailure";

  constructor(message: string, options?: ErrorOptions) {
    super("runtime", message, options);
  }
}

/** Thrown at the next safe point after the user asked to stop. */
export class InterruptedError extends SoftrepaError {
  override readonly name = "InterruptedError";

  constructor(message = "interrupted") {
    super("interrupted", message);
  }
}

/** How long work is asked to stop; it then throws an InterruptedError at the next safe point. */
export interface Stoppable {
  readonly signal?: AbortSignal | undefined;
}

/** A safe point: throws where the user has asked to stop. */
export function stopIfAsked(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError();
}

/** The text of anything thrown, as one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s*\n\s*/g, " ").trim();
}

/** Makes the compiler prove that a switch is exhaustive. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
