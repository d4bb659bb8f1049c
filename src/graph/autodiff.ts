/** @file Reverse-mode differentiation: adds the nodes that compute gradients with respect to chosen values. */

import { at } from "../core/lists.js";
import { type DType, sameShape } from "../core/tensor.js";
import { GraphError } from "./error.js";
import type { CheckpointRegion, GraphBuilder, GraphNode, Value } from "./ir.js";
import type { OperatorName } from "./operators/attributes.js";
import { operators } from "./operators/index.js";
import { operandsOf } from "./operators/operands.js";
import type { VjpContext } from "./operators/rule.js";
import * as ops from "./ops.js";
import { recompute } from "./recompute.js";

/** A value and the gradient of the final quantity with respect to it. */
export interface Seed {
  readonly value: Value;
  readonly cotangent: Value;
}

/**
 * Vector-Jacobian products: for a final quantity L with dL/d(value) = cotangent for each seed, returns dL/d(target).
 * Only nodes between the targets and the seeds get gradient nodes; frozen weights get none.
 *
 * @throws GraphError if a cotangent does not match its value, or a target does not influence the seeds.
 */
export function gradients(seeds: readonly Seed[], targets: readonly Value[]): Value[] {
  const [seed] = seeds;
  if (seed === undefined) throw new GraphError("gradients: no value to differentiate");
  const walker = new Walker(seed.value.graph, targets);
  for (const { value, cotangent } of seeds) {
    if (!sameShape(value.shape, cotangent.shape) || value.dtype !== cotangent.dtype) {
      throw new GraphError("gradients: the cotangent's shape or type differs from its value's");
    }
    walker.push(value, cotangent);
  }
  walker.run();
  return targets.map((target, index) => {
    const gradient = walker.total(target);
    if (gradient === null) throw new GraphError(`gradients: target ${index} does not influence the value`);
    return gradient;
  });
}

/** Gradients of a single value, summed over its elements. */
export function gradientsOfSum(value: Value, targets: readonly Value[]): Value[] {
  return gradients([{ value, cotangent: ops.expand(ops.scalar(value.graph, 1), value.shape) }], targets);
}

class Walker {
  /** Cotangent terms by value id; summed when needed. */
  private readonly terms = new Map<number, Value[]>();
  /** Ids of the values that depend on a target. */
  private readonly relevant: Set<number>;
  private readonly targetIds: ReadonlySet<number>;

  constructor(
    private readonly graph: GraphBuilder,
    targets: readonly Value[],
  ) {
    this.targetIds = new Set(targets.map(({ id }) => id));
    this.relevant = new Set(this.targetIds);
    for (const node of graph.nodes) this.mark(node);
  }

  /** Walks all nodes that exist now, in reverse order. */
  run(): void {
    const { nodes, regions } = this.graph;
    const regionEndingAt = new Map(regions.map((region) => [region.end, region]));
    let end = nodes.length;
    while (end > 0) {
      const region = regionEndingAt.get(end);
      if (region === undefined) this.backward(at(nodes, --end));
      else {
        this.backwardRegion(region);
        end = region.start;
      }
    }
  }

  push(value: Value, cotangent: Value): void {
    const terms = this.terms.get(value.id);
    if (terms === undefined) this.terms.set(value.id, [cotangent]);
    else terms.push(cotangent);
  }

  /** The sum of a value's cotangents so far, or null. */
  total(value: Value): Value | null {
    const terms = this.terms.get(value.id);
    if (terms === undefined) return null;
    const sum = sumTerms(terms);
    this.terms.set(value.id, [sum]);
    return sum;
  }

  /** Marks by-products too, so that a gradient through one fails instead of being lost. */
  private mark(node: GraphNode): void {
    if (typeof operators[node.op].vjp !== "function") return;
    if (!node.inputs.some(({ id }) => this.relevant.has(id))) return;
    for (const { id, dtype } of node.outputs) if (isContinuous(dtype)) this.relevant.add(id);
  }

  /** Propagates the cotangent of a node's output to its inputs. */
  private backward(node: GraphNode): void {
    const { inputs, outputs, attributes } = node;
    const needed = inputs.map(({ id }) => this.relevant.has(id));
    if (outputs.slice(1).some(({ id }) => this.terms.has(id))) {
      throw new GraphError(`${node.op}: only the first output is differentiable`);
    }
    if (!needed.includes(true) || !this.relevant.has(outputs[0].id)) return;
    const dy = this.total(outputs[0]);
    if (dy === null) return;
    const cotangents = this.graph.within(`${node.scope}.backward`, () =>
      vjpOf(node.op)({ inputs, outputs, attributes, dy, needed: operandsOf(node.op, needed) }).map(
        (cotangent, index) =>
          needed[index] && cotangent !== null ? unbroadcast(cotangent, at<Value>(inputs, index)) : null,
      ),
    );
    for (const [index, input] of inputs.entries()) {
      if (!needed[index]) continue;
      const cotangent = cotangents[index];
      if (!cotangent) throw new GraphError(`${node.op}: its VJP returns no gradient for input ${index}`);
      this.push(input, cotangent);
    }
  }

  /** Recomputes a checkpoint region and walks the copy. */
  private backwardRegion(region: CheckpointRegion): void {
    const originals = this.graph.nodes.slice(region.start, region.end);
    // Leaves (trained weights) are not recomputed and may be targets wherever they were first read.
    const computed = originals.flatMap(({ inputs, outputs }) => (inputs.length > 0 ? outputs : []));
    if (computed.some(({ id }) => this.targetIds.has(id))) {
      throw new GraphError("gradients: a target is inside a checkpoint");
    }
    const seeded = computed.filter((value) => this.terms.has(value.id) && this.relevant.has(value.id));
    const [first] = seeded;
    const signal = first && this.total(first);
    if (!signal) return;
    const copy = recompute(this.graph, region, signal);
    for (const node of copy.nodes) this.mark(node);
    for (const { inner, outer } of copy.boundary) if (this.relevant.has(outer.id)) this.relevant.add(inner.id);
    for (const node of copy.nodes) this.mark(node);
    for (const value of seeded) {
      const cotangent = this.total(value);
      const copied = copy.copyOf(value);
      // A kept value is its own copy and already has its cotangent.
      if (cotangent && copied !== value) this.push(copied, cotangent);
    }
    for (const node of copy.nodes.toReversed()) this.backward(node);
    for (const { inner, outer } of copy.boundary) {
      const cotangent = this.relevant.has(outer.id) ? this.total(inner) : null;
      if (cotangent) this.push(outer, cotangent);
    }
  }
}

/** Whether values of this type can have gradients; integers and booleans have none. */
function isContinuous(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float16" || dtype === "bfloat16";
}

/** The VJP of an operator; the walker calls it only for rules that have one. */
function vjpOf(op: OperatorName): (context: VjpContext<OperatorName>) => readonly (Value | null)[] {
  const { vjp } = operators[op];
  if (typeof vjp !== "function") throw new GraphError(`${op} is ${vjp}`);
  // The table pairs each name with its own VJP; the compiler cannot follow that through a union.
  return vjp as (context: VjpContext<OperatorName>) => readonly (Value | null)[];
}

/** Sums a cotangent over the axes that were broadcast and casts it to the type of its value. */
function unbroadcast(cotangent: Value, value: Value): Value {
  const leading = cotangent.shape.length - value.shape.length;
  const axes = cotangent.shape.flatMap((size, axis) =>
    axis < leading || (value.shape[axis - leading] === 1 && size !== 1) ? [axis] : [],
  );
  return ops.cast(ops.reshape(ops.reduceSum(cotangent, axes), value.shape), value.dtype);
}

/** Adds terms; padded slices that tile an axis (the gradients of a split) are concatenated instead. */
function sumTerms(terms: readonly Value[]): Value {
  return joinTiles(terms) ?? terms.reduce(ops.add);
}

function joinTiles(terms: readonly Value[]): Value | null {
  const tiles = terms.flatMap((term) => {
    const node = term.graph.producerOf(term);
    return node.op === "pad" ? [{ ...node.attributes, part: node.inputs[0] }] : [];
  });
  if (tiles.length !== terms.length || tiles.length < 2) return null;
  tiles.sort((a, b) => a.before - b.before);
  const { axis } = at(tiles, 0);
  let position = 0;
  for (const tile of tiles) {
    if (tile.axis !== axis || tile.before !== position) return null;
    position += tile.part.dim(axis);
  }
  if (tiles.at(-1)?.after !== 0) return null;
  return ops.concat(
    tiles.map(({ part }) => part),
    axis,
  );
}
