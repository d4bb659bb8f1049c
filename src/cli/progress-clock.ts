/** @file When progress is worth showing, and how fast it is. */

export interface ProgressMark {
  /** Whether this is another task than the one before. */
  readonly fresh: boolean;
  /** Whether to show it: the first and the last of a task, and one each interval. */
  readonly due: boolean;
  /** Steps a second over the recent past, once that can be told. */
  readonly rate: number | undefined;
  /** Seconds since the task's first mark. */
  readonly elapsed: number;
}

/** Rates are taken over this many seconds, so that a slow first step (page faults, shader compilation) is forgotten. */
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
    // A label that starts over (the next image's steps) is a new task too.
    const fresh = label !== this.#label || done < (this.#samples.at(-1)?.done ?? 0);
    if (fresh) {
      this.#label = label;
      this.#started = time;
      this.#samples = [];
      this.#finished = false;
    }
    this.#remember(time, done);
    const finishes = done >= total && !this.#finished;
    const due = fresh || finishes || (!this.#finished && time - this.#shown >= this.#interval);
    this.#finished ||= finishes;
    if (due) this.#shown = time;
    return { fresh, due, rate: this.#rate(), elapsed: time - this.#started };
  }

  #remember(time: number, done: number): void {
    const last = this.#samples.at(-1);
    if (last?.done === done) return;
    this.#samples.push({ time, done });
    // Two samples always stay: steps may take longer than the window.
    while (this.#samples.length > 2 && time - (this.#samples[1]?.time ?? time) > rateWindow) this.#samples.shift();
  }

  #rate(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.time <= first.time) return undefined;
    return (last.done - first.done) / (last.time - first.time);
  }
}
