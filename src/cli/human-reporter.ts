/** @file The text reporter: results on stdout; a progress bar and warnings on stderr. */

import { printable, truncate, visible } from "../core/text.js";
import { withFlags } from "./flags.js";
import { formatDuration, formatNumber, formatPercent, formatRate } from "./format/number.js";
import { type Cell, formatTable } from "./format/table.js";
import { ProgressClock } from "./progress-clock.js";
import type { Fields, Reporter, ReporterStreams } from "./reporter.js";

/** Seconds between updates of the bar on a terminal, and between lines elsewhere (a log file, a pipe). */
const redrawInterval = 0.1;
const logInterval = 10;
const barWidth = 20;

export class HumanReporter implements Reporter {
  readonly json = false;
  readonly #streams: ReporterStreams;
  readonly #live: boolean;
  readonly #clock: ProgressClock;
  /** The bar on the last line of the terminal, or "". */
  #bar = "";

  constructor(streams: ReporterStreams) {
    this.#streams = streams;
    this.#live = streams.stderr.isTTY === true;
    this.#clock = new ProgressClock(streams.now, this.#live ? redrawInterval : logInterval);
  }

  event(_name: string, _fields?: Fields, text?: string): void {
    if (text !== undefined) this.print(text);
  }

  progress(label: string, done: number, total: number, detail: Readonly<Record<string, string | number>> = {}): void {
    const { fresh, due, rate, elapsed } = this.#clock.mark(label, done, total);
    if (fresh) this.#keepBar();
    if (!due) return;
    const parts = [`${formatPercent(total > 0 ? done / total : 1)} ${done}/${total}`];
    if (done >= total) parts.push(`in ${formatDuration(elapsed)}`);
    else if (rate !== undefined) parts.push(formatRate(rate), `${formatDuration((total - done) / rate)} left`);
    for (const [name, value] of Object.entries(detail)) {
      parts.push(`${name} ${typeof value === "number" ? formatNumber(value) : printable(value)}`);
    }
    if (!this.#live) {
      this.#streams.stderr.write(`${printable(label)} ${parts.join(", ")}\n`);
      return;
    }
    // A line of full width would wrap on some terminals, and \r would not return to its start.
    this.#drawBar(truncate(`${printable(label)} ${barOf(done, total)} ${parts.join(", ")}`, this.#columns() - 1));
    if (done >= total) this.#keepBar();
  }

  warn(text: string): void {
    this.#above("stderr", `softrepa: warning: ${printable(withFlags(text))}\n`);
  }

  print(text: string): void {
    this.#above("stdout", `${text}\n`);
  }

  table(rows: readonly (readonly Cell[])[]): void {
    this.#above(
      "stdout",
      formatTable(rows)
        .map((line) => `${line}\n`)
        .join(""),
    );
  }

  close(): void {
    this.#keepBar();
  }

  /** Writes lines in place of the bar, and the bar again below them. */
  #above(stream: "stdout" | "stderr", lines: string): void {
    const bar = this.#bar;
    if (bar !== "") this.#streams.stderr.write("\r\x1b[K");
    this.#streams[stream].write(visible(lines));
    if (bar !== "") this.#streams.stderr.write(bar);
  }

  #drawBar(bar: string): void {
    this.#streams.stderr.write(`\r\x1b[K${bar}`);
    this.#bar = bar;
  }

  /** Ends the line of the bar. */
  #keepBar(): void {
    if (this.#bar !== "") this.#streams.stderr.write("\n");
    this.#bar = "";
  }

  #columns(): number {
    return Math.max(20, this.#streams.stderr.columns ?? 80);
  }
}

/** `[====>     ]` */
function barOf(done: number, total: number): string {
  const filled = done < total ? Math.floor((done / total) * barWidth) : barWidth;
  const head = done > 0 && done < total ? ">" : "";
  return `[${("=".repeat(filled) + head).padEnd(barWidth)}]`;
}
