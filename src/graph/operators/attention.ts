/**
 * @file Scaled dot-product attention as one operator: its forward pass need not hold the Lq x Lk matrix
 * (onnxruntime's CPU kernel is a flash attention), and its VJP holds it for a few heads at a time.
 */

import type { OperatorNode, Value } from "../graph.js";
import type { Emitter } from "../onnx/emitter.js";
import * as ops from "../ops.js";
import { float32, requireFloat, requireRank } from "../shapes.js";
import { GraphError } from "../types.js";
import type { OperatorRules, VjpContext } from "./rule.js";

/** Bytes that one attention matrix of the backward pass may take; more heads are split into groups. */
const backwardMatrixBytes = 32 * 2 ** 20;

/** [N, L, heads * d] -> [N, heads, L, d]. */
function splitHeads(x: Value, heads: number): Value {
  return ops.transpose(ops.reshape(x, [x.dim(0), x.dim(1), heads, x.dim(2) / heads]), [0, 2, 1, 3]);
}

/** [N, heads, L, d] -> [N, L, heads * d]. */
function mergeHeads(x: Value): Value {
  return ops.reshape(ops.transpose(x, [0, 2, 1, 3]), [x.dim(0), x.dim(2), x.dim(1) * x.dim(3)]);
}

/** How many heads go into one group: a divisor of `heads` whose matrices fit the budget. */
function headsPerGroup(heads: number, bytesPerHead: number): number {
  let count = heads;
  while (count > 1 && (heads % count !== 0 || count * bytesPerHead > backwardMatrixBytes)) count--;
  return count;
}

/**
 * With S = scale Q K^T + bias, P = softmax(S), O = P V (per head):
 * dV = P^T dO; dP = dO V^T; dS = P * (dP - rowsum(dO * O)); dQ = scale dS K; dK = scale dS^T Q; dbias = dS.
 * P is computed again. Each group's three results are joined before the groups are, so that onnxruntime, which
 * orders nodes depth first, finishes a group before it starts the next.
 */
function attentionVjp({ inputs, outputs, attributes, dy, needed }: VjpContext<"attention">) {
  const { heads, scale } = attributes;
  const [q, k, v, bias] = inputs;
  const [batch, queries, width] = q.shape;
  const keys = k.dim(1);
  const size = headsPerGroup(heads, batch * queries * keys * 4);
  const groups: Value[] = [];
  let biasGradient: Value | null = null;
  for (let head = 0; head < heads; head += size) {
    const columns = (x: Value) => {
      const d = x.dim(2) / heads;
      return splitHeads(ops.slice(x, 2, head * d, (head + size) * d), size);
    };
    const [qh, kh, vh, oh, doh] = [
      ops.mul(columns(q), scale),
      columns(k),
      columns(v),
      columns(outputs[0]),
      columns(dy),
    ];
    const scores = ops.matmul(qh, kh, { transposeB: true });
    const groupBias = bias && (bias.dim(1) === 1 ? bias : ops.slice(bias, 1, head, head + size));
    const p = ops.softmax(groupBias ? ops.add(scores, groupBias) : scores);
    const dp = ops.matmul(doh, vh, { transposeB: true });
    const ds = ops.mul(p, ops.sub(dp, ops.reduceSum(ops.mul(doh, oh), [3], { keepDims: true })));
    groups.push(
      ops.concat(
        [
          ops.mul(mergeHeads(ops.matmul(ds, kh)), scale),
          mergeHeads(ops.matmul(ds, qh, { transposeA: true })),
          mergeHeads(ops.matmul(p, doh, { transposeA: true })),
        ],
        1,
      ),
    );
    if (needed[3]) {
      if (size !== heads && bias.dim(1) !== 1)
        throw new GraphError("attention: a per-head bias gradient needs one group");
      biasGradient = biasGradient === null ? ds : ops.add(biasGradient, ds);
    }
  }
  if (width !== v.dim(2)) throw new GraphError("attention: the VJP needs values as wide as queries");
  const [dq, dk, dv] = ops.split(ops.concat(groups, 2), 1, [queries, keys, keys]);
  return [needed[0] ? dq : null, needed[1] ? dk : null, needed[2] ? dv : null, biasGradient];
}

/** Reshape, transpose, product, softmax, product as plain ONNX nodes. */
function explicitAttention(emitter: Emitter, node: OperatorNode<"attention">, names: readonly string[]): string {
  const { heads, scale } = node.attributes;
  const [q, k, v] = node.inputs.slice(0, 3).map((value, index) => {
    const [batch, length, width] = value.shape;
    const split = emitter.reshape(names[index], [batch, length, heads, width / heads]);
    // Keys come out transposed at once: [N, heads, d, Lk].
    return emitter.node("Transpose", [split], { perm: index === 1 ? [0, 2, 3, 1] : [0, 2, 1, 3] });
  });
  const scaled = emitter.node("Mul", [q, emitter.scalar(scale)]);
  const scores = emitter.node("MatMul", [scaled, k]);
  const biased = names[3] === undefined ? scores : emitter.node("Add", [scores, names[3]]);
  const merged = emitter.node("MatMul", [emitter.node("Softmax", [biased], { axis: -1 }), v]);
  return emitter.reshape(emitter.node("Transpose", [merged], { perm: [0, 2, 1, 3] }), node.outputs[0].shape);
}

export const attentionRules: OperatorRules<"attention"> = {
  attention: {
    infer: (inputs, { heads }) => {
      const [q, k, v, bias] = inputs;
      requireFloat(...inputs);
      for (const x of [q, k, v]) requireRank(x, 3);
      if (q.shape[2] % heads !== 0 || k.shape[2] !== q.shape[2] || v.shape[2] % heads !== 0) {
        throw new GraphError(`${heads} heads do not divide these widths`);
      }
      if (k.shape[1] !== v.shape[1] || k.shape[0] !== q.shape[0] || v.shape[0] !== q.shape[0]) {
        throw new GraphError("batch or length of keys and values differ");
      }
      if (bias) requireRank(bias, 4);
      return float32([q.shape[0], q.shape[1], v.shape[2]]);
    },
    vjp: attentionVjp,
    onnx: (emitter, node, names) => {
      if (!emitter.target.fusedAttention) return [explicitAttention(emitter, node, names)];
      const { heads, scale } = node.attributes;
      const [q, k, v, bias] = names;
      const inputs = bias === undefined ? [q, k, v] : [q, k, v, "", "", bias];
      return [
        emitter.node("MultiHeadAttention", inputs, { num_heads: heads, scale: { float: scale } }, "com.microsoft"),
      ];
    },
  },
};
