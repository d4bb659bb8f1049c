/** @file What `--dry-run` tells first: the settings as they came out. */

import type { DiffusionPipeline } from "../../../pipelines/pipeline.js";
import { describeSoftTokens } from "../../../softtokens/describe.js";
import type { SoftTokens } from "../../../softtokens/softtokens.js";
import type { Reporter } from "../../reporter.js";
import type { RunSettings } from "./settings.js";

export interface DryRun {
  readonly settings: RunSettings;
  readonly pipeline: DiffusionPipeline;
  readonly softTokens: SoftTokens;
  readonly images: number;
  readonly heldOut: number;
  /** Text of config.yaml. */
  readonly config: string;
}

export function tellDryRun(
  { settings, pipeline, softTokens, images, heldOut, config }: DryRun,
  reporter: Reporter,
): void {
  const { batch, steps } = settings;
  const { parameters } = describeSoftTokens(softTokens);
  const epochs = (steps * batch) / images;
  const provider = pipeline.engine.provider;
  reporter.event("plan", {
    family: pipeline.family,
    provider,
    images,
    heldOut,
    steps,
    batch,
    epochs,
    parameters,
    config,
  });
  reporter.print(config.trimEnd());
  reporter.print(
    `# ${images} images (${heldOut} held out), ${steps} steps of ${batch}: each image ${epochs.toFixed(1)} times; ${parameters} trained numbers; ${provider}`,
  );
}
