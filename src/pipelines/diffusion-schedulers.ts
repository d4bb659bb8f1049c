/** @file The schedulers of a pipeline whose scheduler_config.json describes a noise schedule, as DDPM's. */

import { join } from "node:path";
import { z } from "zod";
import { UsageError } from "../core/errors.js";
import {
  type DiffusionConfig,
  diffusionSchedulerNames,
  diffusionSchedulers,
  parseDiffusionConfig,
  type Scheduler,
  schedulerFromConfig,
} from "../schedulers/index.js";
import { type PipelineFolder, readComponentJson } from "./folder.js";

export class DiffusionSchedulers {
  /** DDIM, the paper's scheduler, regardless of the one in the file. */
  readonly scheduler: Scheduler;

  private constructor(
    private readonly config: DiffusionConfig,
    private readonly file: string,
  ) {
    this.scheduler = this.named("ddim");
  }

  /** `changes` override entries of the file. */
  static async open(folder: PipelineFolder, changes: Partial<DiffusionConfig> = {}): Promise<DiffusionSchedulers> {
    const json = await readComponentJson(folder, "scheduler", "scheduler_config.json", z.unknown());
    const file = join(folder.path, "scheduler", "scheduler_config.json");
    return new DiffusionSchedulers({ ...parseDiffusionConfig(json, file), ...changes }, file);
  }

  /** A scheduler over the file's noise schedule; "own" is the one named in the file. Unknown names are a UsageError. */
  named(name: string): Scheduler {
    if (name === "own") return schedulerFromConfig(this.config, this.file);
    const known = diffusionSchedulerNames.find((each) => each === name);
    if (known !== undefined) return diffusionSchedulers[known](this.config);
    throw new UsageError(
      `this model has no scheduler ${name}: choose one of ${diffusionSchedulerNames.join(", ")}, own`,
    );
  }
}
