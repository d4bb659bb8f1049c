/**
 * @file The settings of the SoftREPA paper (arXiv 2503.08250) by family: sizes and epochs as in the authors' run_train.sh, widths
 * and time tables as in the token files that they released. Batches are of 4 there, on COCO's 2017 training images.
 */

import type { presetNames, RawTrainOptions } from "./train-options.js";

const shared = {
  objective: "softrepa",
  temperature: 0.07,
  scale: 4,
  batch: 4,
  lr: 1e-3,
  weightDecay: 1e-4,
  restartPeriod: 10,
  schedulerEvery: 500,
  minLr: 1e-5,
  tokens: 4,
} as const satisfies Partial<RawTrainOptions>;

export const presets: Readonly<Record<(typeof presetNames)[number], Partial<RawTrainOptions>>> = {
  sd3: { ...shared, layers: 5, width: "projected", buckets: 100, dweight: 0, epochs: 2 },
  sd15: { ...shared, layers: 1, stages: ["down"], buckets: 100, dweight: 10, epochs: 2 },
  sdxl: { ...shared, layers: 1, stages: ["down", "mid"], buckets: 0, dweight: 10, epochs: 1 },
};
