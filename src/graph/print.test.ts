import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { floatTensor, type Shape } from "../core/tensor.js";
import type { StoredTensor } from "../weights/source.js";
import { gradients, gradientsOfSum } from "./autodiff.js";
import { Graph } from "./graph.js";
import * as ops from "./ops.js";
import { formatGraph, formatNode } from "./print.js";

function weight(name: string, shape: Shape): StoredTensor {
  return { name, dtype: "F32", shape, file: "/nowhere", offset: 0, length: 0 };
}

/** A transformer block without normalisation weights. */
function block(graph: Graph) {
  const x = ops.input(graph, "x", [1, 3, 4]);
  const value = graph.within("block", () => {
    const attended = graph.within("block.attn", () => {
      const normal = ops.layerNormalization(x, 1e-6);
      const joint = ops.matmul(normal, ops.parameter(graph, weight("qkv.weight", [12, 4])), { transposeB: true });
      const [query, key, value] = ops.chunk(joint, 3);
      return ops.add(x, ops.attention(query, key, value, { heads: 2, scale: 0.5 }));
    });
    return graph.within("block.mlp", () => {
      const hidden = ops.matmul(attended, ops.parameter(graph, weight("fc.weight", [4, 4])));
      return ops.add(attended, ops.gelu(hidden, "tanh"));
    });
  });
  return { x, value };
}

// Snapshots of what the rules build. If a change is intended, review the new text and replace the snapshot.
describe("the printed graph of", () => {
  it("a transformer block", () => {
    const graph = new Graph();
    block(graph);
    assert.equal(
      formatGraph(graph),
      `
%0 = input() {x} : float32[1,3,4]
# block.attn
%1, %2 = layerNormalization(%0) {epsilon=0.000001} : float32[1,3,4], float32[1,3,1]
%3 = parameter() {qkv.weight} : float32[12,4]
%4 = matmul(%1, %3) {transposeB} : float32[1,3,12]
%5 = slice(%4) {axis=2 start=0 end=4} : float32[1,3,4]
%6 = slice(%4) {axis=2 start=4 end=8} : float32[1,3,4]
%7 = slice(%4) {axis=2 start=8 end=12} : float32[1,3,4]
%8 = attention(%5, %6, %7) {heads=2 scale=0.5 lastKeyCount=1} : float32[1,3,4]
%9 = add(%0, %8) : float32[1,3,4]
# block.mlp
%10 = parameter() {fc.weight} : float32[4,4]
%11 = matmul(%9, %10) : float32[1,3,4]
%12 = gelu(%11) {approximate=tanh} : float32[1,3,4]
%13 = add(%9, %12) : float32[1,3,4]
`.trim(),
    );
  });
  it("its backward pass", () => {
    const graph = new Graph();
    const { x, value } = block(graph);
    const start = graph.nodes.length;
    gradients([{ value, cotangent: ops.input(graph, "cotangent", [1, 3, 4]) }], [x]);
    assert.equal(
      formatGraph(graph, start),
      `
%14 = input() {cotangent} : float32[1,3,4]
# block.mlp.backward
%15 = mul(%11, %11) : float32[1,3,4]
%16 = constant() {0.07135481387376785} : float32[]
%17 = mul(%15, %16) : float32[1,3,4]
%18 = constant() {1.5957691669464111} : float32[]
%19 = add(%17, %18) : float32[1,3,4]
%20 = mul(%11, %19) : float32[1,3,4]
%21 = sigmoid(%20) : float32[1,3,4]
%22 = constant() {0.21406444907188416} : float32[]
%23 = mul(%15, %22) : float32[1,3,4]
%24 = constant() {1.5957691669464111} : float32[]
%25 = add(%23, %24) : float32[1,3,4]
%26 = mul(%11, %25) : float32[1,3,4]
%27 = mul(%21, %26) : float32[1,3,4]
%28 = mul(%27, %21) : float32[1,3,4]
%29 = sub(%27, %28) : float32[1,3,4]
%30 = add(%21, %29) : float32[1,3,4]
%31 = mul(%14, %30) : float32[1,3,4]
%32 = matmul(%31, %10) {transposeB} : float32[1,3,4]
#
%33 = add(%14, %32) : float32[1,3,4]
# block.attn.backward
%34 = constant() {0.5} : float32[]
%35 = mul(%5, %34) : float32[1,3,4]
%36 = reshape(%6) {shape=1,3,2,2} : float32[1,3,2,2]
%37 = transpose(%36) {permutation=0,2,1,3} : float32[1,2,3,2]
%38 = reshape(%35) {shape=1,3,2,2} : float32[1,3,2,2]
%39 = transpose(%38) {permutation=0,2,1,3} : float32[1,2,3,2]
%40 = matmul(%39, %37) {transposeB} : float32[1,2,3,3]
%41 = softmax(%40) {axis=3} : float32[1,2,3,3]
%42 = reshape(%33) {shape=1,3,2,2} : float32[1,3,2,2]
%43 = transpose(%42) {permutation=0,2,1,3} : float32[1,2,3,2]
%44 = reshape(%8) {shape=1,3,2,2} : float32[1,3,2,2]
%45 = transpose(%44) {permutation=0,2,1,3} : float32[1,2,3,2]
%46 = reshape(%7) {shape=1,3,2,2} : float32[1,3,2,2]
%47 = transpose(%46) {permutation=0,2,1,3} : float32[1,2,3,2]
%48 = mul(%43, %45) : float32[1,2,3,2]
%49 = reduceSum(%48) {axes=3 keepDims} : float32[1,2,3,1]
%50 = constant() {1} : float32[]
%51 = expand(%50) {shape=1,2,3,1} : float32[1,2,3,1]
%52 = neg(%49) : float32[1,2,3,1]
%53 = concat(%43, %52) {axis=3} : float32[1,2,3,3]
%54 = concat(%47, %51) {axis=3} : float32[1,2,3,3]
%55 = matmul(%53, %54) {transposeB} : float32[1,2,3,3]
%56 = mul(%41, %55) : float32[1,2,3,3]
%57 = matmul(%56, %37) : float32[1,2,3,2]
%58 = transpose(%57) {permutation=0,2,1,3} : float32[1,3,2,2]
%59 = reshape(%58) {shape=1,3,4} : float32[1,3,4]
%60 = constant() {0.5} : float32[]
%61 = mul(%59, %60) : float32[1,3,4]
%62 = reshape(%35) {shape=1,3,2,2} : float32[1,3,2,2]
%63 = transpose(%62) {permutation=0,2,3,1} : float32[1,2,2,3]
%64 = matmul(%63, %56) : float32[1,2,2,3]
%65 = transpose(%64) {permutation=0,3,1,2} : float32[1,3,2,2]
%66 = reshape(%65) {shape=1,3,4} : float32[1,3,4]
%67 = reshape(%33) {shape=1,3,2,2} : float32[1,3,2,2]
%68 = transpose(%67) {permutation=0,2,3,1} : float32[1,2,2,3]
%69 = matmul(%68, %41) : float32[1,2,2,3]
%70 = transpose(%69) {permutation=0,3,1,2} : float32[1,3,2,2]
%71 = reshape(%70) {shape=1,3,4} : float32[1,3,4]
%72 = concat(%61, %66, %71) {axis=1} : float32[1,9,4]
%73 = slice(%72) {axis=1 start=0 end=3} : float32[1,3,4]
%74 = slice(%72) {axis=1 start=3 end=6} : float32[1,3,4]
%75 = slice(%72) {axis=1 start=6 end=9} : float32[1,3,4]
%76 = pad(%75) {axis=2 before=8 after=0} : float32[1,3,12]
%77 = pad(%74) {axis=2 before=4 after=4} : float32[1,3,12]
%78 = pad(%73) {axis=2 before=0 after=8} : float32[1,3,12]
#
%79 = concat(%73, %74, %75) {axis=2} : float32[1,3,12]
# block.attn.backward
%80 = matmul(%79, %3) : float32[1,3,4]
%81 = reduceMean(%80) {axes=2 keepDims} : float32[1,3,1]
%82 = mul(%80, %1) : float32[1,3,4]
%83 = reduceMean(%82) {axes=2 keepDims} : float32[1,3,1]
%84 = sub(%80, %81) : float32[1,3,4]
%85 = mul(%1, %83) : float32[1,3,4]
%86 = sub(%84, %85) : float32[1,3,4]
%87 = mul(%86, %2) : float32[1,3,4]
#
%88 = add(%33, %87) : float32[1,3,4]
`.trim(),
    );
  });
  it("a checkpoint", () => {
    const graph = new Graph();
    const x = ops.input(graph, "x", [2]);
    const value = graph.within("layer", () => graph.checkpoint(() => ops.exp(ops.sin(x))));
    const start = graph.nodes.length;
    gradientsOfSum(ops.mul(value, 2), [x]);
    assert.equal(
      formatGraph(graph, start),
      `
%3 = constant() {2} : float32[]
%4 = mul(%2, %3) : float32[2]
%5 = constant() {1} : float32[]
%6 = expand(%5) {shape=2} : float32[2]
# .backward
%7 = mul(%6, %3) : float32[2]
# recompute
%8 = slice(%7) {axis=0 start=0 end=1} : float32[1]
%9 = reshape(%8) {shape=} : float32[]
%10 = constant() {0} : float32[]
%11 = mul(%9, %10) : float32[]
#
%12 = add(%0, %11) : float32[2]
# layer.recompute
%13 = sin(%12) : float32[2]
%14 = exp(%13) : float32[2]
# layer.recompute.backward
%15 = mul(%7, %14) : float32[2]
%16 = cos(%12) : float32[2]
%17 = mul(%15, %16) : float32[2]
`.trim(),
    );
  });
});

describe("a printed node", () => {
  it("shows the first four elements of a constant", () => {
    const graph = new Graph();
    ops.constant(graph, floatTensor([4], Float32Array.of(1, -0.5, 0, 2)));
    ops.constant(graph, floatTensor([5]));
    ops.integers(graph, [1], [-3]);
    assert.deepEqual(graph.nodes.map(formatNode), [
      "%0 = constant() {1 -0.5 0 2} : float32[4]",
      "%1 = constant() {0 0 0 0 ...} : float32[5]",
      "%2 = constant() {-3} : int64[1]",
    ]);
  });
  it("lists only the flags that are set", () => {
    const graph = new Graph();
    const [a, b] = [ops.input(graph, "a", [2, 3]), ops.input(graph, "b", [2, 3])];
    const product = ops.matmul(a, b, { transposeB: true });
    const sum = ops.reduceSum(product, [0, -1]);
    assert.equal(formatNode(graph.producerOf(product)), "%2 = matmul(%0, %1) {transposeB} : float32[2,2]");
    assert.equal(formatNode(graph.producerOf(sum)), "%3 = reduceSum(%2) {axes=0,1} : float32[]");
  });
});
