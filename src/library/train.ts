/** @file `Model.train`: starts a training run of an opened model. */

import type { Objective } from "../objectives/objective.js";
import type { OpenOptions } from "../pipelines/open-options.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import type { RunSpecInput } from "../runs/run-spec.js";
import { type Run, startRun } from "../runs/start-run.js";

export type { Run };

/** Options of a run that an opened model determines. */
type ModelOption = "model" | "engine" | "provider" | "precision" | "threads" | keyof OpenOptions;

type RunOptions = Omit<RunSpecInput, ModelOption | "objective"> & {
  /** The name of a built-in objective (default "softrepa"), or a custom objective. */
  readonly objective?: string | Objective | undefined;
};

interface CallOptions {
  /** Overwrite a run folder that is not empty (default false). */
  readonly force?: boolean | undefined;
  /** If aborted, the run finishes its step, saves, and ends with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Options of a training run, with the names and defaults of `RunSpec`; only `data` and `out` are required. With `resume: true`, the
 * run in `out` continues from its last checkpoint with the options recorded there.
 */
export type TrainOptions = CallOptions &
  (
    | (RunOptions & { readonly resume?: false | undefined })
    | (Partial<RunOptions> & { readonly out: string; readonly resume: true })
  );

/** `files` are the options that opened the pipeline; `config.yaml` records them. */
export function startTraining(pipeline: DiffusionPipeline, files: OpenOptions, options: TrainOptions): Promise<Run> {
  const { force, signal, objective, ...rest } = options;
  const shared = { pipeline, force, ...(typeof objective === "object" && { objective }) };
  const named =
    objective === undefined ? {} : { objective: typeof objective === "string" ? objective : objective.name };
  const stop = signal ? { signal } : {};
  if (rest.resume === true) {
    const { resume, ...spec } = rest;
    return startRun({ ...shared, spec: { ...spec, ...named }, resume }, stop);
  }
  const { resume: _, ...spec } = rest;
  return startRun({ ...shared, spec: { ...files, ...spec, ...named } }, stop);
}
