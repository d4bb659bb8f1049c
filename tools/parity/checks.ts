/** @file The check functions of a family folder's goldens, by file name. */

import { checkAutoencoder } from "./check-autoencoder.js";
import { checkDenoiser } from "./check-denoiser.js";
import { checkFlowEdit } from "./check-flow-edit.js";
import { checkSample, checkScheduler } from "./check-sampling.js";
import { checkPromptEmbeddings, checkTokenizers } from "./check-text.js";
import { checkTrainingSteps } from "./check-training.js";
import type { Check } from "./subject.js";

export const checks: readonly (readonly [RegExp, Check])[] = [
  [/^text\.json$/, checkTokenizers],
  [/^text\.safetensors$/, checkPromptEmbeddings],
  [/^vae\.safetensors$/, checkAutoencoder],
  [/^denoiser.*\.safetensors$/, checkDenoiser],
  [/^scheduler-.*\.safetensors$/, checkScheduler],
  [/^sample.*\.safetensors$/, checkSample],
  [/^flowedit-.*\.safetensors$/, checkFlowEdit],
  [/^softrepa.*\.safetensors$/, checkTrainingSteps],
];
