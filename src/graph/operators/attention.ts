/**
 * @file Scaled dot-product attention as one operator: its forward pass does not store the Lq x Lk matrix
 * (onnxruntime's CPU kernel is a flash attention), and its VJP stores it for a few heads at a time.
 */

import { type FloatTensor, floatTensor, formatShape, type Shape } from "../../core/tensor.js";
import { GraphError } from "../error.js";
import type { OperatorNode, TensorType, Value } from "../ir.js";
import type { Emitter } from "../onnx/emitter.js";
import * as ops from "../ops.js";
import { dims, float32, requireFloat } from "../shapes.js";
import type { Operands } from "./operands.js";
import type { OperatorRules, VjpContext } from "./rule.js";

/** Byte limit of one attention matrix in the backward pass, which divides the heads into groups accordingly. */
const backwardMatrixBytes = 32 * 2 ** 20;

/** [N, L, heads * d] -> [N, heads, L, d]. */
function splitHeads(x: Value, heads: number): Value {
  return ops.transpose(ops.reshape(x, [x.dim(0), x.dim(1), heads, x.dim(2) / heads]), [0, 2, 1, 3]);
}

/** [N, heads, L, d] -> [N, L, heads * d]. */
function mergeHeads(x: Value): Value {
  return ops.reshape(ops.transpose(x, [0, 2, 1, 3]), [x.dim(0), x.dim(2), x.dim(1) * x.dim(3)]);
}

/** [N, L, heads * d] -> [N, heads, d, L]. */
function splitHeadsTransposed(x: Value, heads: number): Value {
  return ops.transpose(ops.reshape(x, [x.dim(0), x.dim(1), heads, x.dim(2) / heads]), [0, 2, 3, 1]);
}

/** [N, heads, d, L] -> [N, L, heads * d]. */
function mergeHeadsTransposed(x: Value): Value {
  return ops.reshape(ops.transpose(x, [0, 3, 1, 2]), [x.dim(0), x.dim(3), x.dim(1) * x.dim(2)]);
}

/** Heads per group: the largest divisor of `heads` whose matrices fit the budget. */
function headsPerGroup(heads: number, bytesPerHead: number, budget: number): number {
  let count = heads;
  while (count > 1 && (heads % count !== 0 || count * bytesPerHead > budget)) count--;
  return count;
}

/**
 * Logarithms of the key counts: zero except for the last key. A key that counts as n equal ones has log n added to its score.
 * [Q, 1] [K, log n]^T does that inside the product, without another pass over the scores and without a bias, which
 * onnxruntime's flash attention does not support.
 */
function logCounts(shape: Shape, lastKeyCount: number): FloatTensor {
  const tensor = floatTensor(shape);
  tensor.data[tensor.data.length - 1] = Math.log(lastKeyCount);
  return tensor;
}

/** Q K^T of heads [N, heads, L, d], plus the logarithm of the last key's count. */
function scoresOf(queries: Value, keys: Value, lastKeyCount: number): Value {
  if (lastKeyCount === 1) return ops.matmul(queries, keys, { transposeB: true });
  const { graph } = queries;
  const appendFeature = (x: Value, feature: Value) =>
    ops.concat([x, ops.expand(feature, [...x.shape.slice(0, 3), 1])], 3);
  const counts = ops.constant(graph, logCounts([keys.dim(2), 1], lastKeyCount));
  return ops.matmul(appendFeature(queries, ops.scalar(graph, 1)), appendFeature(keys, counts), { transposeB: true });
}

/**
 * With S = scale Q K^T + bias (+ log of the key counts), P = softmax(S), O = P V (per head):
 * dV = P^T dO; dP = dO V^T; dS = P * (dP - rowsum(dO * O)); dQ = scale dS K; dK = scale dS^T Q; dbias = dS.
 * P is recomputed. The only operations on large matrices are the products, one softmax and one multiplication: the row sums
 * are subtracted inside the product, [dO, -rowsum] [V, 1]^T, and dV and dK are computed transposed, dV^T = dO^T P, because
 * transposing P would cost more. The results within a group are concatenated before the groups are, so that onnxruntime,
 * which orders nodes depth first, finishes a group before it starts the next. `matrixBytes` limits one matrix of a group.
 */
export function attentionVjp(
  { inputs, outputs, attributes, dy, needed }: VjpContext<"attention">,
  matrixBytes = backwardMatrixBytes,
): (Value | null)[] {
  const { heads, scale, lastKeyCount } = attributes;
  const [q, k, v, bias] = inputs;
  const [needsQuery, needsKey, needsValue, needsBias = false] = needed;
  if (needsValue && (needsQuery || needsKey) && q.dim(2) !== v.dim(2)) {
    throw new GraphError("attention: the VJP needs values of the same width as queries");
  }
  const size = headsPerGroup(heads, q.dim(0) * q.dim(1) * k.dim(1) * 4, matrixBytes);
  const groups: Value[] = [];
  const biasGradients: Value[] = [];
  for (let head = 0; head < heads; head += size) {
    const group = (x: Value) => {
      const d = x.dim(2) / heads;
      return ops.slice(x, 2, head * d, (head + size) * d);
    };
    const scaledQuery = ops.mul(group(q), scale);
    const keys = splitHeads(group(k), size);
    const scores = scoresOf(splitHeads(scaledQuery, size), keys, lastKeyCount);
    const groupBias = bias && (bias.dim(1) === 1 ? bias : ops.slice(bias, 1, head, head + size));
    const p = ops.softmax(groupBias ? ops.add(scores, groupBias) : scores);
    const parts: Value[] = [];
    if (needsQuery || needsKey || needsBias) {
      const ofGroup = (x: Value) => splitHeads(group(x), size);
      const [doh, oh, vh] = [ofGroup(dy), ofGroup(outputs[0]), ofGroup(v)];
      const rowSums = ops.reduceSum(ops.mul(doh, oh), [3], { keepDims: true });
      const ones = ops.expand(ops.scalar(v.graph, 1), [...vh.shape.slice(0, 3), 1]);
      const centred = ops.matmul(ops.concat([doh, ops.neg(rowSums)], 3), ops.concat([vh, ones], 3), {
        transposeB: true,
      });
      const ds = ops.mul(p, centred);
      if (needsQuery) parts.push(ops.mul(mergeHeads(ops.matmul(ds, keys)), scale));
      if (needsKey) parts.push(mergeHeadsTransposed(ops.matmul(splitHeadsTransposed(scaledQuery, size), ds)));
      if (needsBias) biasGradients.push(ds);
    }
    if (needsValue) parts.push(mergeHeadsTransposed(ops.matmul(splitHeadsTransposed(group(dy), size), p)));
    if (parts.length > 0) groups.push(ops.concat(parts, 1));
  }
  const lengths = [q, k, v].flatMap((x, index) => (needed[index] ? [x.dim(1)] : []));
  const joined = groups.length === 0 ? [] : ops.split(ops.concat(groups, 2), 1, lengths);
  const next = (wanted: boolean) => (wanted ? (joined.shift() ?? null) : null);
  const [dq, dk, dv] = [next(needsQuery), next(needsKey), next(needsValue)];
  if (!needsBias || bias === undefined) return [dq, dk, dv, null];
  return [dq, dk, dv, bias.dim(1) === 1 ? biasGradients.reduce(ops.add) : ops.concat(biasGradients, 1)];
}

/** Only the batch and head axes may broadcast, as in the fused operator. */
function requireBias(bias: TensorType, scores: Shape): void {
  dims(bias, 4);
  const fits = bias.shape.every((size, axis) => size === scores[axis] || (axis < 2 && size === 1));
  if (!fits) throw new GraphError(`a bias of ${formatShape(bias.shape)} does not fit scores of ${formatShape(scores)}`);
}

/** Concatenates `x` and `constant` expanded to `shape`. */
function joinConstant(emitter: Emitter, x: string, constant: FloatTensor, shape: Shape, axis: number): string {
  const expanded = emitter.node("Expand", [emitter.initializer(constant), emitter.integers(shape)]);
  return emitter.node("Concat", [x, expanded], { axis });
}

/** onnxruntime's MultiHeadAttention, a flash attention on the CPU. */
function fusedAttention(
  emitter: Emitter,
  node: OperatorNode<"attention">,
  names: Operands<"attention", string>,
): string {
  const { heads, scale, lastKeyCount } = node.attributes;
  const [q, k, v, bias] = names;
  const widened = (x: string, value: Value, constant: FloatTensor) => {
    const [batch, length, width] = dims(value, 3);
    const split = emitter.reshape(x, [batch, length, heads, width / heads]);
    const joined = joinConstant(emitter, split, constant, [batch, length, heads, 1], 3);
    return emitter.reshape(joined, [batch, length, width + heads]);
  };
  const [query, key] = node.inputs;
  const operands =
    lastKeyCount === 1
      ? [q, k, v]
      : [
          // The operator scales the whole product, including this feature.
          widened(q, query, floatTensor([1], Float32Array.of(1 / scale))),
          widened(k, key, logCounts([key.dim(1), 1, 1], lastKeyCount)),
          v,
        ];
  const inputs = bias === undefined ? operands : [...operands, "", "", bias];
  return emitter.node("MultiHeadAttention", inputs, { num_heads: heads, scale: { float: scale } }, "com.microsoft");
}

/** Attention in standard ONNX nodes: reshape, transpose, product, softmax, product. */
function explicitAttention(
  emitter: Emitter,
  node: OperatorNode<"attention">,
  names: Operands<"attention", string>,
): string {
  const { heads, scale, lastKeyCount } = node.attributes;
  const [query, key, value] = node.inputs;
  const transposed = (x: string, of: Value, perm: readonly number[]) => {
    const [batch, length, width] = dims(of, 3);
    return emitter.node("Transpose", [emitter.reshape(x, [batch, length, heads, width / heads])], { perm });
  };
  const q = transposed(names[0], query, [0, 2, 1, 3]);
  // Keys are transposed in the same step: [N, heads, d, Lk].
  const k = transposed(names[1], key, [0, 2, 3, 1]);
  const v = transposed(names[2], value, [0, 2, 1, 3]);
  const scaled = emitter.node("Mul", [q, emitter.scalar(scale)]);
  const [batch, queries, keys] = [query.dim(0), query.dim(1), key.dim(1)];
  const counts = logCounts([1, keys], lastKeyCount);
  const operands =
    lastKeyCount === 1
      ? [scaled, k]
      : [
          joinConstant(emitter, scaled, floatTensor([1], Float32Array.of(1)), [batch, heads, queries, 1], 3),
          joinConstant(emitter, k, counts, [batch, heads, 1, keys], 2),
        ];
  const scores = emitter.node("MatMul", operands);
  const biased = names[3] === undefined ? scores : emitter.node("Add", [scores, names[3]]);
  const merged = emitter.node("MatMul", [emitter.node("Softmax", [biased], { axis: -1 }), v]);
  return emitter.reshape(emitter.node("Transpose", [merged], { perm: [0, 2, 1, 3] }), node.outputs[0].shape);
}

export const attentionRules: OperatorRules<"attention"> = {
  attention: {
    infer: (inputs, { heads, lastKeyCount }) => {
      requireFloat(...inputs);
      const [q, k, v, bias] = inputs;
      const [batch, queries, width] = dims(q, 3);
      const [keyBatch, keys, keyWidth] = dims(k, 3);
      const [valueBatch, values, valueWidth] = dims(v, 3);
      if (width % heads !== 0 || keyWidth !== width || valueWidth % heads !== 0) {
        throw new GraphError(`${heads} heads do not divide the widths, or query and key widths differ`);
      }
      if (!Number.isInteger(lastKeyCount) || lastKeyCount < 1) {
        throw new GraphError(`the last key cannot count as ${lastKeyCount} keys`);
      }
      if (keys !== values || keyBatch !== batch || valueBatch !== batch) {
        throw new GraphError("batch sizes differ, or keys and values have different lengths");
      }
      if (bias) requireBias(bias, [batch, heads, queries, keys]);
      return float32([batch, queries, valueWidth]);
    },
    vjp: (context) => attentionVjp(context),
    onnx: (emitter, node, names) => [
      (emitter.target.fusedAttention ? fusedAttention : explicitAttention)(emitter, node, names),
    ],
  },
};
