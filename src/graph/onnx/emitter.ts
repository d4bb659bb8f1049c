/** @file Collects the ONNX nodes and initializers that operator rules emit. */

import { create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
} from "onnx-buf";
import { type Tuple, times } from "../../core/lists.js";
import { type DType, floatTensor, intTensor, type Shape, type Tensor } from "../../core/tensor.js";
import type { StoredTensor, StoredType } from "../../weights/source.js";
import { GraphError } from "../error.js";
import type { Value } from "../ir.js";
import type { Target } from "./model.js";

/** ONNX element types by dtype. */
export const onnxDataType: Record<DType, TensorProto_DataType> = {
  float32: TensorProto_DataType.FLOAT,
  float16: TensorProto_DataType.FLOAT16,
  bfloat16: TensorProto_DataType.BFLOAT16,
  int64: TensorProto_DataType.INT64,
  bool: TensorProto_DataType.BOOL,
};

const storedDataType: Partial<Record<StoredType, TensorProto_DataType>> = {
  F32: TensorProto_DataType.FLOAT,
  F16: TensorProto_DataType.FLOAT16,
  BF16: TensorProto_DataType.BFLOAT16,
  I64: TensorProto_DataType.INT64,
};

/** An ONNX attribute: a number is an int, a list is ints; floats are wrapped. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };

/** An initializer whose bytes stay in a weight file; its location is set once all files are known. */
export interface ExternalInitializer {
  readonly proto: TensorProto;
  readonly stored: StoredTensor;
}

export class Emitter {
  readonly nodeProtos: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly externals: ExternalInitializer[] = [];
  /** Initializers that are also inputs: because a caller could override them, onnxruntime derives nothing from them. */
  readonly overridable: TensorProto[] = [];
  private readonly names = new Map<string, string>();
  private counter = 0;

  constructor(
    readonly target: Target,
    private readonly used: ReadonlySet<Value>,
  ) {}

  /** Emits a node with one output and returns its name. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = "",
  ): string {
    const [output] = this.nodes(opType, inputs, 1, attributes, domain);
    return output;
  }

  /** Emits a node with several outputs. */
  nodes<N extends number>(
    opType: string,
    inputs: readonly string[],
    count: N,
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = "",
  ): Tuple<string, N> {
    const outputs = times(count, () => `t${this.counter++}`);
    const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
    const proto = create(NodeProtoSchema, { opType, domain, input: [...inputs], output: [...outputs], attribute });
    this.nodeProtos.push(proto);
    return outputs;
  }

  /** Whether a node or output reads `value`. */
  isUsed(value: Value): boolean {
    return this.used.has(value);
  }

  /** A float32 scalar constant. */
  scalar(value: number): string {
    return this.initializer(floatTensor([], Float32Array.of(value)));
  }

  /** A list of int64 constants. */
  integers(values: readonly number[]): string {
    return this.initializer(intTensor([values.length], values));
  }

  reshape(x: string, shape: Shape): string {
    return this.node("Reshape", [x, this.target.hiddenShapes ? this.hidden(shape) : this.integers(shape)]);
  }

  /** A constant list of int64 that onnxruntime does not treat as constant. */
  private hidden(shape: Shape): string {
    const key = `hidden${shape}`;
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const { name, proto } = this.append(intTensor([shape.length], shape));
    this.names.set(key, name);
    this.overridable.push(proto);
    return name;
  }

  /** Transposes the last two axes; onnxruntime's CPU provider fuses this into the next product. */
  swapLastAxes(x: string, rank: number): string {
    const perm = Array.from({ length: rank }, (_, axis) => axis);
    [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
    return this.node("Transpose", [x], { perm });
  }

  /** A constant inside the model; equal small constants are written once. */
  initializer(tensor: Tensor): string {
    const bytes = new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
    const key = bytes.length <= 64 ? `${tensor.dtype}[${tensor.shape}]${bytes}` : null;
    const known = key === null ? undefined : this.names.get(key);
    if (known !== undefined) return known;
    const { name } = this.append(tensor);
    if (key !== null) this.names.set(key, name);
    return name;
  }

  private append({ dtype, shape, data }: Tensor): { readonly name: string; readonly proto: TensorProto } {
    const name = `c${this.counter++}`;
    const rawData = new Uint8Array(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const proto = create(TensorProtoSchema, {
      name,
      dims: shape.map(BigInt),
      dataType: onnxDataType[dtype],
      rawData,
    });
    this.initializers.push(proto);
    return { name, proto };
  }

  /** A weight that stays in its file. */
  external(stored: StoredTensor): string {
    const key = `${stored.file}\n${stored.offset}\n${stored.name}`;
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const dataType = storedDataType[stored.dtype];
    if (dataType === undefined) throw new GraphError(`weight ${stored.name} is stored as ${stored.dtype}`);
    const name = `w${this.counter++}:${stored.name}`;
    this.names.set(key, name);
    const proto = create(TensorProtoSchema, {
      name,
      dims: stored.shape.map(BigInt),
      dataType,
      dataLocation: TensorProto_DataLocation.EXTERNAL,
    });
    this.externals.push({ proto, stored });
    return name;
  }
}

/** A key and value of TensorProto.external_data. */
export function externalEntry(key: string, value: string) {
  return create(StringStringEntryProtoSchema, { key, value });
}

function attributeProto(name: string, value: AttributeValue): AttributeProto {
  const { INT, INTS, FLOAT, STRING } = AttributeProto_AttributeType;
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: INT, i: BigInt(value) });
  if (typeof value === "string") {
    return create(AttributeProtoSchema, { name, type: STRING, s: new TextEncoder().encode(value) });
  }
  if ("float" in value) return create(AttributeProtoSchema, { name, type: FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: INTS, ints: value.map(BigInt) });
}
