/** @file The context of every command: a reporter, and a signal that Ctrl+C aborts. */

import { HumanReporter } from "./human-reporter.js";
import { JsonReporter } from "./json-reporter.js";
import { processStreams, type Reporter, type ReporterStreams } from "./reporter.js";

export interface CommandContext {
  readonly reporter: Reporter;
  /** Aborted by Ctrl+C; stop at the next safe point, save what is finished and throw `InterruptedError`. */
  readonly signal: AbortSignal;
}

/** Carries out a command after its options are read. It must dispose workers before it settles. */
export type CommandRun<Options> = (options: Options, context: CommandContext) => Promise<void>;

/** The reporter for `--json`, or for terminals and log files. */
export function createReporter(json: boolean, streams: ReporterStreams = processStreams()): Reporter {
  return json ? new JsonReporter(streams) : new HumanReporter(streams);
}

/** Seconds within which a second SIGINT is ignored: npm and npx forward the one that the terminal has sent already. */
const echoSeconds = 0.3;

/** Runs the body of a command with a reporter and a signal that Ctrl+C aborts. */
export async function inContext(json: boolean, body: (context: CommandContext) => Promise<void>): Promise<void> {
  const reporter = createReporter(json);
  const controller = new AbortController();
  let interrupted = 0;
  const onInterrupt = (): void => {
    if (!controller.signal.aborted) {
      interrupted = performance.now();
      controller.abort();
      reporter.warn("stopping at the next safe point; press Ctrl+C again to end immediately");
      return;
    }
    if (performance.now() - interrupted < echoSeconds * 1000) return;
    // Not process.exit: onnxruntime aborts (SIGABRT, a core dump) when a worker thread ends inside a run. The default
    // action of the signal ends all threads at once, and the shell sees the right status.
    reporter.close();
    process.removeAllListeners("SIGINT");
    process.kill(process.pid, "SIGINT");
  };
  process.on("SIGINT", onInterrupt);
  try {
    await body({ reporter, signal: controller.signal });
  } finally {
    process.off("SIGINT", onInterrupt);
    reporter.close();
  }
}
