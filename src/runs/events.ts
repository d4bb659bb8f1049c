/** @file Events of a training run. */

import type { ImageSettings } from "../sampling/generated-image.js";
import type { FittedRun } from "../training/plan/fit.js";
import type { Throughput } from "../training/throughput.js";
import type { TrainStep } from "../training/train.js";
import type { ValidationResult } from "../training/validation.js";
import type { Comparison } from "./estimate.js";

export type RunEvent =
  /** A data set was opened. */
  | {
      readonly type: "data";
      readonly path: string;
      readonly weight: number | null;
      /** Its format, and what the format was recognised by. */
      readonly format: string;
      readonly because: string;
      readonly images: number;
      /** Number of unusable parts that were skipped. */
      readonly skipped: number;
    }
  | { readonly type: "warning"; readonly message: string }
  /** `done` of `total` parts of some work: encoding, images checked, samples, validation. */
  | { readonly type: "progress"; readonly label: string; readonly done: number; readonly total: number }
  /** The plan that keeps the run within `memory`. */
  | { readonly type: "memory"; readonly fitted: FittedRun }
  /** Training starts or continues after step `step`. */
  | { readonly type: "start"; readonly step: number; readonly steps: number }
  | ({
      readonly type: "step";
      readonly steps: number;
      /** Recent throughput. */
      readonly rates: ReturnType<Throughput["rates"]>;
    } & TrainStep)
  | { readonly type: "sample"; readonly step: number; readonly file: string; readonly settings: ImageSettings }
  | ({ readonly type: "validation"; readonly step: number } & ValidationResult)
  | { readonly type: "checkpoint"; readonly step: number; readonly folder: string }
  /** Estimated and actual cost of this call. */
  | ({ readonly type: "taken" } & Comparison)
  /** The tokens were written after `steps` steps: all steps, or those before the run was stopped. */
  | { readonly type: "saved"; readonly file: string; readonly steps: number }
  /** Tokens of the best checkpoint. */
  | {
      readonly type: "best";
      readonly file: string;
      readonly step: number;
      readonly metric: string;
      readonly value: number;
    }
  /** All steps are finished; this is the last event. */
  | { readonly type: "finished"; readonly file: string; readonly steps: number };

export interface RunHooks {
  /** Aborting it finishes and saves the current step, then stops. */
  readonly signal?: AbortSignal | undefined;
  readonly emit: (event: RunEvent) => void;
}
