/** @file Cases of leaves and elementwise operators. */

import { floatTensor, intTensor } from "../../core/tensor.js";
import type { NoAttributes } from "../../graph/operators/attributes.js";
import type { BinaryName, UnaryName } from "../../graph/operators/elementwise.js";
import type { StoredTensor } from "../../weights/source.js";
import { any, type CaseList, type Cases, given, nonzero, positive } from "./case.js";

/** Every kind of broadcasting: equal shapes, missing axes, size 1 on one or both sides, scalars. */
const broadcasts = [
  [nonzero(2, 3), nonzero(2, 3)],
  [nonzero(2, 3, 5), nonzero(3, 1)],
  [nonzero(5), nonzero(3, 2, 5)],
  [nonzero(3, 1, 5), nonzero(1, 2, 1)],
  [nonzero(2, 3), nonzero()],
  [nonzero(), nonzero()],
] as const;

function binaryCases(): CaseList<NoAttributes> {
  const [first, ...rest] = broadcasts;
  return [{ inputs: first, attributes: {} }, ...rest.map((inputs) => ({ inputs, attributes: {} }))];
}

const smooth: CaseList<NoAttributes> = [
  { inputs: [any(3, 5)], attributes: {} },
  { inputs: [any()], attributes: {} },
];
const awayFromZero: CaseList<NoAttributes> = [{ inputs: [nonzero(3, 5)], attributes: {} }];
const aboveZero: CaseList<NoAttributes> = [{ inputs: [positive(3, 5)], attributes: {} }];

type Names = UnaryName | BinaryName | "input" | "parameter" | "constant" | "cast" | "greater" | "where";

/** `stored` is a weight in a file. */
export function elementwiseCases(stored: StoredTensor): Cases<Names> {
  return {
    input: [
      { inputs: [], attributes: { name: "given", dtype: "float32", shape: [2, 3] } },
      { inputs: [], attributes: { name: "scalar", dtype: "float32", shape: [] } },
      { inputs: [], attributes: { name: "whole", dtype: "int64", shape: [3] } },
      { inputs: [], attributes: { name: "flags", dtype: "bool", shape: [1, 3] } },
    ],
    parameter: [{ inputs: [], attributes: { stored } }],
    constant: [
      { inputs: [], attributes: { tensor: floatTensor([2, 2], Float32Array.of(-1, 0.5, 3, 1e-3)) } },
      {
        inputs: [],
        attributes: {
          tensor: floatTensor(
            [31],
            new Float32Array(31).map((_, i) => i / 7),
          ),
        },
      },
      { inputs: [], attributes: { tensor: floatTensor([], Float32Array.of(-7.25)) } },
      { inputs: [], attributes: { tensor: intTensor([3], [-2, 0, 70000]) } },
      { inputs: [], attributes: { tensor: { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) } } },
      { inputs: [], attributes: { tensor: { dtype: "float16", shape: [2], data: Uint16Array.of(0x3e00, 0xc000) } } },
      { inputs: [], attributes: { tensor: { dtype: "bfloat16", shape: [2], data: Uint16Array.of(0x3fc0, 0xc000) } } },
    ],
    cast: [
      { inputs: [any(2, 3)], attributes: { to: "float32" } },
      { inputs: [given("float32", [4], [-1.5, 0.25, 3, 0])], attributes: { to: "float16" } },
      { inputs: [given("float32", [4], [-1.5, 0.25, 3, 0])], attributes: { to: "bfloat16" } },
      { inputs: [given("float32", [4], [-1.5, 0, 3.75, 2])], attributes: { to: "int64" } },
      { inputs: [given("float32", [3], [-1.5, 0, 3])], attributes: { to: "bool" } },
      { inputs: [given("int64", [3], [-4, 0, 9])], attributes: { to: "float32" } },
      { inputs: [given("bool", [2], [1, 0])], attributes: { to: "float32" } },
    ],
    neg: smooth,
    exp: smooth,
    log: aboveZero,
    sqrt: aboveZero,
    reciprocal: awayFromZero,
    tanh: smooth,
    sigmoid: smooth,
    erf: smooth,
    sin: smooth,
    cos: smooth,
    relu: awayFromZero,
    add: binaryCases(),
    sub: binaryCases(),
    mul: binaryCases(),
    div: binaryCases(),
    greater: [
      { inputs: [nonzero(2, 3), nonzero(3)], attributes: {} },
      { inputs: [given("float32", [3], [-1, 0, 1]), given("float32", [], [0])], attributes: {} },
    ],
    where: [
      { inputs: [given("bool", [2, 3], [1, 0, 0, 1, 1, 0]), any(2, 3), any(2, 3)], attributes: {} },
      { inputs: [given("bool", [2, 1], [1, 0]), any(3), any()], attributes: {} },
      { inputs: [given("bool", [3], [0, 1, 0]), any(2, 1), any(5, 1, 3)], attributes: {} },
      { inputs: [given("bool", [], [1]), any(2), any(3, 1)], attributes: {} },
    ],
  };
}
