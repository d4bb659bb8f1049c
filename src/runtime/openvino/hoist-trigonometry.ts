/**
 * @file Hoists sines and cosines of inputs out of a model and computes them in double precision. In bf16, the angle (a timestep of
 * up to 1000 times a frequency of up to 1) would have an error of several radians.
 */

import { create } from "@bufbuild/protobuf";
import {
  type GraphProto,
  type NodeProto,
  TensorProto_DataType,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { RuntimeFailure } from "../../core/errors.js";
import { zip } from "../../core/lists.js";
import { type Shape, sizeOf } from "../../core/tensor.js";
import type { NamedTensors } from "../engine.js";

/** A model input that replaces a sine or cosine node. */
export interface HoistedInput {
  readonly shape: Shape;
  /** Computes the input from the caller's feeds. */
  readonly compute: (feeds: NamedTensors) => Float32Array;
}

interface NdArray {
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

type Expression = (feeds: NamedTensors) => NdArray;

const binary: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};

/** Replaces every sine and cosine that depends only on inputs and small constants by an input, appended to the graph's inputs in order. */
export function hoistTrigonometry(graph: GraphProto): HoistedInput[] {
  const producers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const hoisted: HoistedInput[] = [];
  const kept: NodeProto[] = [];
  const inputs: ValueInfoProto[] = [];
  for (const node of graph.node) {
    const [[operand], [name]] = [node.input, node.output];
    const apply = { Sin: Math.sin, Cos: Math.cos }[node.opType];
    const angle = apply && operand !== undefined ? expressionOf(operand, graph, producers) : null;
    if (apply === undefined || name === undefined || angle === null) {
      kept.push(node);
      continue;
    }
    const { shape } = angle(zerosFor(graph));
    hoisted.push({ shape, compute: (feeds) => Float32Array.from(angle(feeds).data, apply) });
    inputs.push(floatInput(name, shape));
  }
  graph.node = kept;
  graph.input.push(...inputs);
  return hoisted;
}

/** Null if `name` depends on anything except arithmetic on inputs and constants of the model. */
function expressionOf(name: string, graph: GraphProto, producers: ReadonlyMap<string, NodeProto>): Expression | null {
  const node = producers.get(name);
  if (node === undefined) return leafOf(name, graph);
  const operands = node.input.map((input) => expressionOf(input, graph, producers));
  const [a, b] = operands;
  if (!a || !b || operands.length !== 2) return null;
  const combine = binary[node.opType];
  if (combine) return (feeds) => broadcast(a(feeds), b(feeds), combine);
  return node.opType === "Reshape" ? (feeds) => reshaped(a(feeds), b(feeds).data) : null;
}

function leafOf(name: string, graph: GraphProto): Expression | null {
  const constant = graph.initializer.find((tensor) => tensor.name === name);
  if (constant === undefined) {
    if (!floatInputs(graph).some((input) => input.name === name)) return null;
    return (feeds) => {
      const feed = feeds[name];
      if (feed?.dtype !== "float32") throw new RuntimeFailure(`input ${name} must be float32`);
      return feed;
    };
  }
  if (constant.externalData.length > 0) return null;
  const { buffer } = constant.rawData.slice();
  const shape = constant.dims.map(Number);
  switch (constant.dataType) {
    case TensorProto_DataType.FLOAT:
      return () => ({ shape, data: new Float32Array(buffer) });
    case TensorProto_DataType.INT64: {
      const data = Array.from(new BigInt64Array(buffer), Number);
      return () => ({ shape, data });
    }
    default:
      return null;
  }
}

/** Elementwise operation with numpy broadcasting. */
function broadcast(a: NdArray, b: NdArray, combine: (a: number, b: number) => number): NdArray {
  const rank = Math.max(a.shape.length, b.shape.length);
  const padded = ({ shape }: NdArray) => [...Array<number>(rank - shape.length).fill(1), ...shape];
  const [sizesA, sizesB] = [padded(a), padded(b)];
  const shape = zip(sizesA, sizesB).map(([x, y]) => Math.max(x, y));
  const [readA, readB] = [elementsOf(a, sizesA, shape), elementsOf(b, sizesB, shape)];
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, index) => combine(readA(index), readB(index)));
  return { shape, data };
}

/** Reads an operand of `sizes`, broadcast to `shape`, by flat index. */
function elementsOf({ data }: NdArray, sizes: Shape, shape: Shape): (index: number) => number {
  const axes = zip(sizes, shape).reverse();
  return (index) => {
    let [position, stride, rest] = [0, 1, index];
    for (const [size, fullSize] of axes) {
      if (size !== 1) position += (rest % fullSize) * stride;
      stride *= size;
      rest = Math.floor(rest / fullSize);
    }
    return data[position] ?? Number.NaN;
  };
}

function reshaped({ data }: NdArray, target: ArrayLike<number>): NdArray {
  const sizes = Array.from(target);
  const known = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1);
  return { shape: sizes.map((size) => (size === -1 ? data.length / known : size)), data };
}

function zerosFor(graph: GraphProto): NamedTensors {
  return Object.fromEntries(
    floatInputs(graph).map(({ name, shape }) => [
      name,
      { dtype: "float32" as const, shape, data: new Float32Array(sizeOf(shape)) },
    ]),
  );
}

function floatInputs(graph: GraphProto): { name: string; shape: Shape }[] {
  return graph.input.flatMap(({ name, type }) => {
    if (type?.value.case !== "tensorType" || type.value.value.elemType !== TensorProto_DataType.FLOAT) return [];
    const shape = (type.value.value.shape?.dim ?? []).map(({ value }) => Number(value.value));
    return [{ name, shape }];
  });
}

function floatInput(name: string, shape: Shape): ValueInfoProto {
  const dim = shape.map((size) =>
    create(TensorShapeProto_DimensionSchema, { value: { case: "dimValue", value: BigInt(size) } }),
  );
  const value = create(TypeProto_TensorSchema, {
    elemType: TensorProto_DataType.FLOAT,
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: "tensorType", value } }),
  });
}
