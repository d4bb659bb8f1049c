/** @file Metrics of a run as TensorBoard scalars, and as read back from its log. */

import { join } from "node:path";
import type { GapSample } from "../training/runaway-gap.js";
import type { TrainStep } from "../training/train.js";
import type { ValidationResult } from "../training/validation.js";
import type { LogLine } from "./folder/run-log.js";
import { EventWriter } from "./folder/tensorboard.js";

/** Writes scalars in the background, in order; `close` throws if writing failed. */
export class TrainingScalars {
  private readonly writer: EventWriter;

  constructor(runFolder: string, firstStep: number) {
    this.writer = new EventWriter(join(runFolder, "tensorboard"), firstStep);
  }

  step({ step, loss, rank1, learningRate }: TrainStep, imagesPerSecond: number | undefined): void {
    const scalars = { "train/loss": loss, "train/learning_rate": learningRate };
    this.writer.add(step, {
      ...scalars,
      ...(rank1 === null ? {} : { "train/rank1": rank1 }),
      ...(imagesPerSecond === undefined ? {} : { "train/images_per_second": imagesPerSecond }),
    });
  }

  validation(step: number, { loss, rank1, matched, gap, buckets }: ValidationResult): void {
    const scalars = { "validation/loss": loss, "validation/rank1": rank1, "validation/matched": matched };
    const gaps = buckets.map((bucket) => [`validation/gap_t${bucket.timestep}`, bucket.mismatched - bucket.matched]);
    this.writer.add(step, { ...scalars, "validation/gap": gap, ...Object.fromEntries(gaps) });
  }

  close(): Promise<void> {
    return this.writer.close();
  }
}

/** The validation in a log line; empty for the line of a step. */
export function pushSampleOf({ step, validation }: LogLine): GapSample[] {
  if (typeof validation !== "object" || validation === null) return [];
  const { gap, matched } = validation as Partial<ValidationResult>;
  return typeof gap === "number" && typeof matched === "number" ? [{ step, gap, matched }] : [];
}
