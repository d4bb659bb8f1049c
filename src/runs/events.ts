/** @file What a run says while it goes on. */

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
      /** Its format, and by what it was recognised. */
      readonly shape: string;
      readonly because: string;
      readonly images: number;
      /** Faulty parts that were left out. */
      readonly left: number;
    }
  | { readonly type: "warning"; readonly message: string }
  /** `done` of `total` parts of some work: encoding, images checked, samples, validation. */
  | { readonly type: "progress"; readonly label: string; readonly done: number; readonly total: number }
  /** How the run fits into `memory`. */
  | { readonly type: "memory"; readonly fitted: FittedRun }
  /** Training begins, or goes on, behind step `step`. */
  | { readonly type: "start"; readonly step: number; readonly steps: number }
  | ({
      readonly type: "step";
      readonly steps: number;
      /** Over the recent past. */
      readonly rates: ReturnType<Throughput["rates"]>;
    } & TrainStep)
  | { readonly type: "sample"; readonly step: number; readonly file: string; readonly settings: ImageSettings }
  | ({ readonly type: "validation"; readonly step: number } & ValidationResult)
  | { readonly type: "checkpoint"; readonly step: number; readonly folder: string }
  /** What this call took, beside what was planned. */
  | ({ readonly type: "taken" } & Comparison)
  /** The tokens were written as they are after `steps` steps: all of them, or those before the run was stopped. */
  | { readonly type: "saved"; readonly file: string; readonly steps: number }
  /** The best checkpoint's tokens. */
  | {
      readonly type: "best";
      readonly file: string;
      readonly step: number;
      readonly metric: string;
      readonly value: number;
    }
  /** All steps are done; nothing follows. */
  | { readonly type: "finished"; readonly file: string; readonly steps: number };

export interface RunHooks {
  /** Asks to stop: the step under way is finished and saved. */
  readonly signal?: AbortSignal | undefined;
  readonly emit: (event: RunEvent) => void;
}
