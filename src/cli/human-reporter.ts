/** @file The reporter for people: results on stdout; a progress bar, notes and warnings on stderr. */

import { cut, printable } from "../core/text.js";
import { withFlags } from "./flags.js";
import { formatDuration, formatNumber, formatPercent, formatRate } from "./format/number.js";
import { type Cell, formatTable } from "./format/table.js";
import { ProgressClock } from "./progress-clock.js";
import type { Fields, Reporter, ReporterStreams } from "./reporter.js";

/** Seconds between two drawings of the bar on a terminal, and between two lines elsewhere (a log file, a pipe). */
const redrawEvery = 0.1;
const logEvery = 10;
const barWidth = 20;

export class HumanReporter implements Reporter {
  readonly json = false;
  readonly #streams: ReporterStreams;
  readonly #live: boolean;
  readonly #clock: ProgressClock;
  /** The bar that stands on the terminal's last line, or "". */
  #bar = "";

  constructor(streams: ReporterStreams) {
    this.#streams = streams;
    this.#live = streams.stderr.isTTY === true;
    this.#clock = new ProgressClock(streams.now, this.#live ? redrawEvery : logEvery);
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
    // The last column stays free: a full line would wrap on some terminals, and \r would not reach its start.
    this.#drawBar(cut(`${printable(label)} ${barOf(done, total)} ${parts.join(", ")}`, this.#columns() - 1));
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

  /** Writes whole lines where the bar stands, and the bar again below them. */
  #above(stream: "stdout" | "stderr", lines: string): void {
    const bar = this.#bar;
    if (bar !== "") this.#streams.stderr.write("\r\x1b[K");
    this.#streams[stream].write(lines);
    if (bar !== "") this.#streams.stderr.write(bar);
  }

  #drawBar(bar: string): void {
    this.#streams.stderr.write(`\r\x1b[K${bar}`);
    this.#bar = bar;
  }

  /** Leaves the bar as a line of its own. */
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
