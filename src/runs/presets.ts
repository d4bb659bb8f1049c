/**
 * @file The settings of the SoftREPA paper (arXiv 2503.08250) by family: sizes and epochs as in the authors' run_train.sh, widths
 * and time tables as in the token files that they released. Batches are of 4 there, on COCO's 2017 training images.
 * What families share are `RunSpec`'s own defaults.
 */

import { builtInFamilies } from "../families/index.js";
import type { RunSpecInput } from "./run-spec.js";

export const presets: ReadonlyMap<string, Partial<RunSpecInput>> = new Map(
  builtInFamilies.flatMap(({ name, paper, defaults: { layers, stages, dweight } }) =>
    paper === null ? [] : [[name, { layers, ...(stages && { stages }), dweight, ...paper }]],
  ),
);
