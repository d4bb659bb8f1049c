/** @file Carries out `softrepa train`. */

import { InterruptedError } from "../../../core/errors.js";
import type { RunEvent } from "../../../runs/events.js";
import { estimateRun, type PreparedRun, prepareRun, type RunRequest } from "../../../runs/prepare.js";
import { configOf, runTraining } from "../../../runs/run-training.js";
import { describeSoftTokens } from "../../../softtokens/describe.js";
import type { TrainCommandOptions } from "../../commands/train.js";
import type { CommandContext } from "../../context.js";
import type { Reporter } from "../../reporter.js";
import { withOpener } from "../session.js";
import { printEstimate } from "./print-estimate.js";
import { eventPrinter } from "./print-events.js";

export async function runTrain(options: TrainCommandOptions, context: CommandContext): Promise<void> {
  const { reporter, signal } = context;
  await withRun(options, context, async (request, print) => {
    if (options.dryRun) {
      const prepared = await prepareRun(request, { signal, emit: print });
      printSettings(prepared, reporter);
      return printEstimate(await estimateRun(prepared), reporter, "# ");
    }
    let isSaved = false;
    const emit = (event: RunEvent) => {
      if (event.type === "saved") isSaved = true;
      print(event);
    };
    await runTraining(request, { signal, emit }).catch((error: unknown) => {
      if (!(error instanceof InterruptedError) || !isSaved) throw error;
      throw new InterruptedError(`${error.message}; continue with: softrepa train --resume ${options.spec.out}`);
    });
  });
}

/** Builds the request of a run and a printer of its events, for `train` and `plan`. */
export async function withRun(
  { spec, resume, force }: TrainCommandOptions,
  { reporter }: CommandContext,
  body: (request: RunRequest, print: (event: RunEvent) => void) => Promise<void>,
): Promise<void> {
  const files = { ...spec, model: spec.model ?? "" };
  await withOpener(files, reporter, (pipeline) =>
    body({ pipeline, spec, resume, force }, eventPrinter(reporter, spec.logEvery)),
  );
}

/** Prints the resolved settings. */
function printSettings(prepared: PreparedRun, reporter: Reporter): void {
  const { settings, pipeline, softTokens, images } = prepared;
  const { batch, steps } = settings;
  const { family } = pipeline;
  const { provider } = pipeline.engine;
  const { parameters } = describeSoftTokens(softTokens);
  const heldOut = prepared.heldOut.length;
  const epochs = (steps * batch) / images;
  const config = configOf(prepared);
  reporter.event("plan", { family, provider, images, heldOut, steps, batch, epochs, parameters, config });
  reporter.print(config.trimEnd());
  reporter.print(
    `# ${images} images (${heldOut} held out), ${steps} steps of ${batch}: ${epochs.toFixed(1)} epochs; ${parameters} trained parameters; ${provider}`,
  );
}
