/** @file Cases of layout, indexing and reduction operators. */

import type { OperatorAttributes } from "../../graph/operators/attributes.js";
import type { LayoutName } from "../../graph/operators/layout.js";
import { any, type CaseList, type Cases, given } from "./case.js";

type Names = LayoutName | "reduceSum" | "reduceMean" | "softmax" | "gather" | "scatterAdd";

const reductions: CaseList<OperatorAttributes["reduceSum"]> = [
  { inputs: [any(3, 5)], attributes: { axes: [1], keepDims: false } },
  { inputs: [any(2, 3, 5)], attributes: { axes: [1], keepDims: true } },
  { inputs: [any(2, 3, 5)], attributes: { axes: [0, 2], keepDims: false } },
  { inputs: [any(2, 1, 5)], attributes: { axes: [1, 2], keepDims: true } },
  { inputs: [any(2, 3)], attributes: { axes: [0, 1], keepDims: false } },
];

export const layoutCases: Cases<Names> = {
  reduceSum: reductions,
  reduceMean: reductions,
  softmax: [
    { inputs: [any(3, 5)], attributes: { axis: 1 } },
    { inputs: [any(3, 5, 2)], attributes: { axis: 1 } },
    { inputs: [any(3, 1)], attributes: { axis: 0 } },
    { inputs: [given("float32", [2, 3], [90, -90, 88, 1, 1, 1])], attributes: { axis: 1 } },
  ],
  reshape: [
    { inputs: [any(2, 3, 5)], attributes: { shape: [5, 6] } },
    { inputs: [any(1, 1)], attributes: { shape: [] } },
    { inputs: [any(6)], attributes: { shape: [3, 1, 2] } },
    { inputs: [given("int64", [4], [3, -1, 4, 1])], attributes: { shape: [2, 2] } },
  ],
  transpose: [
    { inputs: [any(3, 5)], attributes: { permutation: [1, 0] } },
    { inputs: [any(2, 3, 5)], attributes: { permutation: [2, 0, 1] } },
    { inputs: [any(2, 3, 5, 1)], attributes: { permutation: [1, 3, 0, 2] } },
  ],
  expand: [
    { inputs: [any()], attributes: { shape: [2, 3] } },
    { inputs: [any(3, 1)], attributes: { shape: [2, 3, 5] } },
    { inputs: [any(1)], attributes: { shape: [1, 1] } },
  ],
  slice: [
    { inputs: [any(5)], attributes: { axis: 0, start: 1, end: 3 } },
    { inputs: [any(2, 5, 3)], attributes: { axis: 1, start: 0, end: 4 } },
    { inputs: [any(2, 3, 5)], attributes: { axis: 2, start: 4, end: 5 } },
    { inputs: [given("int64", [3], [5, 6, 7])], attributes: { axis: 0, start: 1, end: 3 } },
  ],
  reverse: [
    { inputs: [any(5)], attributes: { axes: [0] } },
    { inputs: [any(2, 3, 5)], attributes: { axes: [1] } },
    { inputs: [any(2, 3, 5)], attributes: { axes: [0, 2] } },
    { inputs: [any(3, 1)], attributes: { axes: [0, 1] } },
  ],
  concat: [
    { inputs: [any(2, 3), any(2, 1)], attributes: { axis: 1 } },
    { inputs: [any(1, 3), any(2, 3), any(4, 3)], attributes: { axis: 0 } },
    { inputs: [any(2, 1, 3), any(2, 2, 3)], attributes: { axis: 1 } },
    { inputs: [any(3)], attributes: { axis: 0 } },
  ],
  pad: [
    { inputs: [any(3)], attributes: { axis: 0, before: 2, after: 0 } },
    { inputs: [any(2, 3, 5)], attributes: { axis: 1, before: 1, after: 3 } },
    { inputs: [any(2, 3)], attributes: { axis: 1, before: 0, after: 1 } },
  ],
  gather: [
    { inputs: [any(5, 3), given("int64", [4], [4, 0, 4, 2])], attributes: {} },
    { inputs: [any(5, 2, 3), given("int64", [2, 3], [1, 1, 1, 0, 3, 4])], attributes: {} },
    { inputs: [any(5), given("int64", [2], [3, 3])], attributes: {} },
    { inputs: [any(5, 3), given("int64", [], [2])], attributes: {} },
  ],
  scatterAdd: [
    { inputs: [given("int64", [4], [1, 0, 1, 4]), any(4, 3)], attributes: { rows: 5 } },
    { inputs: [given("int64", [3], [0, 0, 0]), any(3, 1)], attributes: { rows: 1 } },
  ],
};
