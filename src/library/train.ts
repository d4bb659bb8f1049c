/** @file `Model.train`: starts a training run of an opened model. */

import type { Objective } from "../objectives/objective.js";
import type { PipelineFileOptions } from "../pipelines/open-options.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import type { RunSpecInput } from "../runs/run-spec.js";
import { type Run, startRun } from "../runs/start-run.js";

export type { Run };

/**
 * Options of a new training run, with the names and defaults of `RunSpec`; only `data` and `out` are required. The opened model
 * determines the others.
 */
export type NewRunOptions = Omit<
  RunSpecInput,
  "objective" | "model" | "engine" | "provider" | "precision" | "threads" | keyof PipelineFileOptions
> & {
  /** The name of a built-in objective (default "softrepa"), or a custom objective. */
  readonly objective?: string | Objective | undefined;
  /** Overwrite a run folder that is not empty (default false). */
  readonly force?: boolean | undefined;
  /** If aborted, the run finishes its step, saves, and ends with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
};

/** The run in `out` continues from its last checkpoint with the options recorded there. */
export type ResumeOptions = Partial<NewRunOptions> & { readonly out: string; readonly resume: true };

export type TrainOptions = (NewRunOptions & { readonly resume?: false | undefined }) | ResumeOptions;

/** `files` are the options that opened the pipeline; `config.yaml` records them. */
export function startTraining(
  pipeline: DiffusionPipeline,
  files: PipelineFileOptions,
  options: TrainOptions,
): Promise<Run> {
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
