/** @file How commands speak: to a person (results on stdout, the rest on stderr) or as one JSON object a line. */

import type { Cell } from "./format/table.js";

/** Fields of an event or of a progress line. */
export type Fields = Readonly<Record<string, unknown>>;

/** What a command may say. Every command takes one and writes to no stream itself. */
export interface Reporter {
  /** Whether results go out as events; a command then need not prepare what only people read. */
  readonly json: boolean;

  /** Something happened. A JSON line; people see `text` on stdout, or nothing without one. */
  event(name: string, fields?: Fields, text?: string): void;

  /**
   * `done` of `total` steps of `label` are finished; call it as often as you like, also with `done` 0 at the start.
   * `detail` (loss, file name ...) is shown behind the bar and joins the fields of the JSON event.
   */
  progress(label: string, done: number, total: number, detail?: Readonly<Record<string, string | number>>): void;

  /** Something the user should know but that stops nothing. */
  warn(text: string): void;

  /** A result for people, on stdout; say it as an event too. */
  print(text: string): void;

  /** A table for people, on stdout, its first row the header; say it as an event too. */
  table(rows: readonly (readonly Cell[])[]): void;

  /** Ends a progress bar that was left unfinished. */
  close(): void;
}

/** The part of a stream that reporters need; `process.stdout` and `process.stderr` are such. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Where a reporter writes and how it tells the time (seconds, from any start). */
export interface ReporterStreams {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly now: () => number;
}

/** The streams of this process. */
export function processStreams(): ReporterStreams {
  return { stdout: process.stdout, stderr: process.stderr, now: () => performance.now() / 1000 };
}
