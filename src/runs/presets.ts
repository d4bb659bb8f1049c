/**
 * @file The settings of the SoftREPA paper (arXiv 2503.08250) by family: sizes and epochs as in the authors' run_train.sh, widths
 * and time tables as in the token files that they released. Batches are of 4 there, on COCO's 2017 training images.
 * What families share are `RunSpec`'s own defaults.
 */

import type { presetNames, RunSpecInput } from "./run-spec.js";

export const presets: Readonly<Record<(typeof presetNames)[number], Partial<RunSpecInput>>> = {
  sd3: { layers: 5, width: "projected", buckets: 100, dweight: 0, epochs: 2 },
  sd15: { layers: 1, stages: ["down"], buckets: 100, dweight: 10, epochs: 2 },
  sdxl: { layers: 1, stages: ["down", "mid"], buckets: 0, dweight: 10, epochs: 1 },
};
