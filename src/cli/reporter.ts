/** @file Output of commands: text (results on stdout, the rest on stderr) or one JSON object per line. */

import type { Cell } from "./format/table.js";

/** Fields of an event or of a progress line. */
export type Fields = Readonly<Record<string, unknown>>;

/** The only output of a command, which writes to no stream itself. */
export interface Reporter {
  /** Whether results are written as JSON events; a command then need not prepare text. */
  readonly json: boolean;

  /** Reports an event: a JSON line, or `text` on stdout (nothing if undefined). */
  event(name: string, fields?: Fields, text?: string): void;

  /**
   * Reports that `done` of `total` steps of `label` are finished. Calls are throttled; `done` may be 0 at the start.
   * `detail` (loss, file name ...) is printed after the bar and added to the fields of the JSON event.
   */
  progress(label: string, done: number, total: number, detail?: Readonly<Record<string, string | number>>): void;

  /** Prints a warning. */
  warn(text: string): void;

  /** Prints a result as text on stdout; report it as an event too. */
  print(text: string): void;

  /** Prints a table with a header row on stdout; report it as an event too. */
  table(rows: readonly (readonly Cell[])[]): void;

  /** Ends an unfinished progress bar. */
  close(): void;
}

/** The part of a stream that reporters need, as of `process.stdout`. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Streams and clock of a reporter; `now` is in seconds from an arbitrary start. */
export interface ReporterStreams {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly now: () => number;
}

export function processStreams(): ReporterStreams {
  return { stdout: process.stdout, stderr: process.stderr, now: () => performance.now() / 1000 };
}
