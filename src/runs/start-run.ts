/** @file Runs training in the background, as a stream of events. */

import { UsageError } from "../core/errors.js";
import { type CompleteSpec, completeSpec } from "./complete-spec.js";
import type { RunEvent } from "./events.js";
import type { RunRequest } from "./prepare.js";
import { requireResumable, resumedOptions } from "./resume-spec.js";
import type { RunSpecInput } from "./run-spec.js";
import { runTraining } from "./run-training.js";

export type StartRequest = Omit<RunRequest, "spec" | "resume"> &
  (
    | { readonly spec: RunSpecInput; readonly resume?: false }
    /** Other options are those of the run in `out`; only options that do not affect results may change. */
    | { readonly spec: Partial<RunSpecInput> & { readonly out: string }; readonly resume: true }
  );

/**
 * A run in progress. Events are buffered for a single reader. Iteration ends with the run, and throws the error that ended
 * the run: an InterruptedError after a stop request.
 */
export class Run implements AsyncIterable<RunEvent>, AsyncDisposable {
  private readonly events: RunEvent[] = [];
  private readonly controller = new AbortController();
  private wake = (): void => {};
  private ended = false;
  private readonly work: Promise<void>;

  private constructor(
    start: (hooks: { signal: AbortSignal; emit: (event: RunEvent) => void }) => Promise<void>,
    signal?: AbortSignal,
  ) {
    const stop = () => this.controller.abort();
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    const emit = (event: RunEvent) => {
      this.events.push(event);
      this.wake();
    };
    this.work = start({ signal: this.controller.signal, emit }).finally(() => {
      signal?.removeEventListener("abort", stop);
      this.ended = true;
      this.wake();
    });
    // The iterator rethrows failures; without this line Node would report an unhandled rejection.
    this.work.catch(() => {});
  }

  /** Checks the options, then starts the run, which continues whether or not its events are read. */
  static async start(request: StartRequest, signal?: AbortSignal): Promise<Run> {
    const spec = await specOf(request);
    return new Run((hooks) => runTraining({ ...request, spec }, hooks), signal);
  }

  /** Leaving the loop early stops the run and waits until it is saved. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent, void> {
    try {
      while (!this.ended || this.events.length > 0) {
        const event = this.events.shift();
        if (event !== undefined) yield event;
        else if (!this.ended) await new Promise<void>((resolve) => (this.wake = resolve));
      }
      await this.work;
    } finally {
      await this.stop();
    }
  }

  /** Stops the run at the next safe point, saves finished steps and releases the lock. */
  async stop(): Promise<void> {
    this.controller.abort();
    await this.work.catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

async function specOf({ spec, resume, objective }: StartRequest): Promise<CompleteSpec> {
  const { out, ...changes } = spec;
  if (resume) requireResumable(Object.keys(changes));
  const options = resume ? await resumedOptions(out, changes) : spec;
  const name = objective?.name;
  if (name !== undefined && options.objective !== undefined && options.objective !== name) {
    throw new UsageError(
      `\`objective\` is ${JSON.stringify(options.objective)} in this run, not ${JSON.stringify(name)}`,
    );
  }
  return completeSpec({ ...options, ...(name !== undefined && { objective: name }) });
}

/**
 * Starts a training run.
 *
 * ```ts
 * const run = await startRun({ pipeline, spec: { data: ["photos"], out: "runs/cats", steps: 2000 } });
 * for await (const event of run) if (event.type === "validation") console.log(event.rank1);
 * ```
 *
 * @throws UsageError if an option is wrong
 */
export function startRun(request: StartRequest, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Run> {
  return Run.start(request, signal);
}
