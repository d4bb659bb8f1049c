/**
 * @file Settings of the SoftREPA paper (arXiv 2503.08250) by family: sizes and epochs of the authors' run_train.sh, widths and
 * time tables of the token files that they released. The authors train on COCO 2017 with a batch size of 4. Settings that
 * all families share are the defaults of `RunSpec`.
 */

import { builtInFamilies } from "../families/index.js";
import type { RunSpecInput } from "./run-spec.js";

export const presets: ReadonlyMap<string, Partial<RunSpecInput>> = new Map(
  builtInFamilies.flatMap(({ name, paper, defaults: { layers, stages, dweight } }) =>
    paper === null ? [] : [[name, { layers, ...(stages && { stages }), dweight, ...paper }]],
  ),
);
