/** @file The context of every command: a reporter, and a signal that a stop request aborts. */

import { HumanReporter } from "./human-reporter.js";
import { JsonReporter } from "./json-reporter.js";
import { processStreams, type Reporter, type ReporterStreams } from "./reporter.js";
import { listenForStop } from "./stop-signals.js";

export interface CommandContext {
  readonly reporter: Reporter;
  /** Aborted by Ctrl+C, SIGTERM or SIGHUP; stop at the next safe point, save what is finished and throw `InterruptedError`. */
  readonly signal: AbortSignal;
}

/** Carries out a command after its options are read. It must dispose workers before it settles. */
export type CommandRun<Options> = (options: Options, context: CommandContext) => Promise<void>;

/** The reporter for `--json`, or for terminals and log files. */
export function createReporter(json: boolean, streams: ReporterStreams = processStreams()): Reporter {
  return json ? new JsonReporter(streams) : new HumanReporter(streams);
}

/** Runs the body of a command with a reporter and a signal that Ctrl+C, SIGTERM and SIGHUP abort. */
export async function inContext(json: boolean, body: (context: CommandContext) => Promise<void>): Promise<void> {
  const reporter = createReporter(json);
  const controller = new AbortController();
  const stopListening = listenForStop(
    (message) => {
      controller.abort();
      reporter.warn(message);
    },
    () => reporter.close(),
  );
  try {
    await body({ reporter, signal: controller.signal });
  } finally {
    stopListening();
    reporter.close();
  }
}
