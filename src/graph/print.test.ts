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

/** A transformer block without affine parts. */
function block(graph: Graph) {
  const x = ops.input(graph, "x", [1, 3, 4]);
  const value = graph.within("block", () => {
    const attended = graph.within("attn", () => {
      const normal = ops.layerNormalization(x, 1e-6);
      const joint = ops.matmul(normal, ops.parameter(graph, weight("qkv.weight", [12, 4])), { transposeB: true });
      const [query, key, value] = ops.chunk(joint, 3);
      return ops.add(x, ops.attention(query, key, value, { heads: 2 }));
    });
    return graph.within("mlp", () => {
      const hidden = ops.matmul(attended, ops.parameter(graph, weight("fc.weight", [4, 4])));
      return ops.add(attended, ops.gelu(hidden, "tanh"));
    });
  });
  return { x, value };
}

// These texts are what the rules make today. A change of one is not an error, but must be meant: look at it, then replace it.
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
%8 = attention(%5, %6, %7) {heads=2 scale=0.7071067811865475} : float32[1,3,4]
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
%34 = reshape(%5) {shape=1,3,2,2} : float32[1,3,2,2]
%35 = transpose(%34) {permutation=0,2,1,3} : float32[1,2,3,2]
%36 = constant() {0.7071067690849304} : float32[]
%37 = mul(%35, %36) : float32[1,2,3,2]
%38 = reshape(%6) {shape=1,3,2,2} : float32[1,3,2,2]
%39 = transpose(%38) {permutation=0,2,1,3} : float32[1,2,3,2]
%40 = reshape(%33) {shape=1,3,2,2} : float32[1,3,2,2]
%41 = transpose(%40) {permutation=0,2,1,3} : float32[1,2,3,2]
%42 = matmul(%37, %39) {transposeB} : float32[1,2,3,3]
%43 = softmax(%42) {axis=3} : float32[1,2,3,3]
%44 = reshape(%7) {shape=1,3,2,2} : float32[1,3,2,2]
%45 = transpose(%44) {permutation=0,2,1,3} : float32[1,2,3,2]
%46 = matmul(%41, %45) {transposeB} : float32[1,2,3,3]
%47 = reshape(%8) {shape=1,3,2,2} : float32[1,3,2,2]
%48 = transpose(%47) {permutation=0,2,1,3} : float32[1,2,3,2]
%49 = mul(%41, %48) : float32[1,2,3,2]
%50 = reduceSum(%49) {axes=3 keepDims} : float32[1,2,3,1]
%51 = sub(%46, %50) : float32[1,2,3,3]
%52 = mul(%43, %51) : float32[1,2,3,3]
%53 = matmul(%52, %39) : float32[1,2,3,2]
%54 = transpose(%53) {permutation=0,2,1,3} : float32[1,3,2,2]
%55 = reshape(%54) {shape=1,3,4} : float32[1,3,4]
%56 = constant() {0.7071067690849304} : float32[]
%57 = mul(%55, %56) : float32[1,3,4]
%58 = matmul(%52, %37) {transposeA} : float32[1,2,3,2]
%59 = transpose(%58) {permutation=0,2,1,3} : float32[1,3,2,2]
%60 = reshape(%59) {shape=1,3,4} : float32[1,3,4]
%61 = matmul(%43, %41) {transposeA} : float32[1,2,3,2]
%62 = transpose(%61) {permutation=0,2,1,3} : float32[1,3,2,2]
%63 = reshape(%62) {shape=1,3,4} : float32[1,3,4]
%64 = concat(%57, %60, %63) {axis=1} : float32[1,9,4]
%65 = slice(%64) {axis=1 start=0 end=3} : float32[1,3,4]
%66 = slice(%64) {axis=1 start=3 end=6} : float32[1,3,4]
%67 = slice(%64) {axis=1 start=6 end=9} : float32[1,3,4]
%68 = pad(%67) {axis=2 before=8 after=0} : float32[1,3,12]
%69 = pad(%66) {axis=2 before=4 after=4} : float32[1,3,12]
%70 = pad(%65) {axis=2 before=0 after=8} : float32[1,3,12]
#
%71 = concat(%65, %66, %67) {axis=2} : float32[1,3,12]
# block.attn.backward
%72 = matmul(%71, %3) : float32[1,3,4]
%73 = reduceMean(%72) {axes=2 keepDims} : float32[1,3,1]
%74 = mul(%72, %1) : float32[1,3,4]
%75 = reduceMean(%74) {axes=2 keepDims} : float32[1,3,1]
%76 = sub(%72, %73) : float32[1,3,4]
%77 = mul(%1, %75) : float32[1,3,4]
%78 = sub(%76, %77) : float32[1,3,4]
%79 = mul(%78, %2) : float32[1,3,4]
#
%80 = add(%33, %79) : float32[1,3,4]
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
  it("shows the first four numbers of a constant", () => {
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
  it("names flags that are set and leaves out those that are not", () => {
    const graph = new Graph();
    const [a, b] = [ops.input(graph, "a", [2, 3]), ops.input(graph, "b", [2, 3])];
    const product = ops.matmul(a, b, { transposeB: true });
    const sum = ops.reduceSum(product, [0, -1]);
    assert.equal(formatNode(graph.producerOf(product)), "%2 = matmul(%0, %1) {transposeB} : float32[2,2]");
    assert.equal(formatNode(graph.producerOf(sum)), "%3 = reduceSum(%2) {axes=0,1} : float32[]");
  });
});
