/** @file Throttles progress reports and measures their rate. */

export interface ProgressMark {
  /** Whether a new task has started. */
  readonly fresh: boolean;
  /** Whether to report it: the first and the last of a task, and one per interval. */
  readonly due: boolean;
  /** Recent steps per second; undefined until it can be measured. */
  readonly rate: number | undefined;
  /** Seconds since the first mark of the task. */
  readonly elapsed: number;
}

/** Seconds over which rates are averaged, so that a slow first step (page faults, shader compilation) drops out. */
const rateWindow = 30;

export class ProgressClock {
  readonly #now: () => number;
  readonly #interval: number;
  #label: string | undefined;
  #started = 0;
  #shown = Number.NEGATIVE_INFINITY;
  #finished = false;
  /** Times and steps within the window, oldest first. */
  #samples: { readonly time: number; readonly done: number }[] = [];

  constructor(now: () => number, interval: number) {
    this.#now = now;
    this.#interval = interval;
  }

  mark(label: string, done: number, total: number): ProgressMark {
    const time = this.#now();
    // A label that starts again (the steps of the next image) is a new task too.
    const fresh = label !== this.#label || done < (this.#samples.at(-1)?.done ?? 0);
    if (fresh) {
      this.#label = label;
      this.#started = time;
      this.#samples = [];
      this.#finished = false;
    }
    this.#record(time, done);
    const finishes = done >= total && !this.#finished;
    const due = fresh || finishes || (!this.#finished && time - this.#shown >= this.#interval);
    this.#finished ||= finishes;
    if (due) this.#shown = time;
    return { fresh, due, rate: this.#rate(), elapsed: time - this.#started };
  }

  #record(time: number, done: number): void {
    const last = this.#samples.at(-1);
    if (last?.done === done) return;
    this.#samples.push({ time, done });
    // Keeps at least two samples, because steps may take longer than the window.
    while (this.#samples.length > 2 && time - (this.#samples[1]?.time ?? time) > rateWindow) this.#samples.shift();
  }

  #rate(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.time <= first.time) return undefined;
    return (last.done - first.done) / (last.time - first.time);
  }
}
