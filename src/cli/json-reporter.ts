/** @file The reporter for programs: stdout has one JSON object per event and line, and nothing else. */

import { visibleJson } from "../core/text.js";
import { withFlags } from "./flags.js";
import { ProgressClock } from "./progress-clock.js";
import type { Fields, Reporter, ReporterStreams } from "./reporter.js";

/** Seconds between progress events; the first and the last of a label are always written. */
const progressInterval = 1;

export class JsonReporter implements Reporter {
  readonly json = true;
  readonly #streams: ReporterStreams;
  readonly #clock: ProgressClock;

  constructor(streams: ReporterStreams) {
    this.#streams = streams;
    this.#clock = new ProgressClock(streams.now, progressInterval);
  }

  event(name: string, fields: Fields = {}): void {
    this.#streams.stdout.write(`${jsonLine(name, fields)}\n`);
  }

  progress(label: string, done: number, total: number, detail: Readonly<Record<string, string | number>> = {}): void {
    if (this.#clock.mark(label, done, total).due) this.event("progress", { label, done, total, ...detail });
  }

  warn(text: string): void {
    this.event("warning", { message: withFlags(text) });
  }

  print(): void {}

  table(): void {}

  close(): void {}
}

/** One event as one line. Non-finite numbers become strings, since JSON has none; typed arrays become lists. */
export function jsonLine(name: string, fields: Fields): string {
  const json = JSON.stringify({ event: name, ...fields }, (_key, value: unknown) => {
    if (typeof value === "number" && !Number.isFinite(value)) return String(value);
    if (typeof value === "bigint") return String(value);
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return [...(value as Float32Array)];
    return value;
  });
  return visibleJson(json);
}
