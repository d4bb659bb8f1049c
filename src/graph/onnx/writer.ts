/** @file Serialises the part of a graph that the requested outputs need as one ONNX model. */

import { dirname, relative, sep } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { at, zip } from "../../core/lists.js";
import { GraphError } from "../error.js";
import { Graph } from "../graph.js";
import type { GraphBuilder, GraphNode, OperatorNode, Value } from "../ir.js";
import { checkGraph } from "../legality.js";
import type { OperatorName } from "../operators/attributes.js";
import { operators } from "../operators/index.js";
import { input } from "../ops.js";
import { Emitter, type ExternalInitializer, externalEntry, onnxDataType } from "./emitter.js";
import type { OnnxModel, Target, TensorSpec } from "./model.js";

/** The operator set of ONNX 1.15, which both onnxruntime and OpenVINO support. */
const opsetVersion = 20n;
const irVersion = 9n;

/** Writes a model that computes the named `outputs`. Throws a GraphError if the graph is not legal. */
export function writeOnnx(graph: GraphBuilder, outputs: Readonly<Record<string, Value>>, target: Target): OnnxModel {
  checkGraph(graph, outputs);
  const { nodes, used } = reachable(graph, Object.values(outputs));
  const emitter = new Emitter(target, used);
  emitNodes(graph, nodes, outputs, emitter);
  const inputSpecs = nodes.flatMap((node) => (node.op === "input" ? [node.attributes] : []));
  const outputSpecs = Object.entries(outputs).map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const weightFolder = locateExternals(emitter.externals);
  const model = create(ModelProtoSchema, {
    irVersion,
    producerName: "softrepa",
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: "", version: opsetVersion }),
      create(OperatorSetIdProtoSchema, { domain: "com.microsoft", version: 1n }),
    ],
    graph: create(GraphProtoSchema, {
      name: "softrepa",
      node: emitter.nodeProtos,
      initializer: [...emitter.initializers, ...emitter.externals.map(({ proto }) => proto)],
      input: [
        ...inputSpecs.map((spec) => valueInfo(spec)),
        ...emitter.overridable.map((proto) => valueInfo(specOf(proto), true)),
      ],
      output: outputSpecs.map((spec) => valueInfo(spec)),
    }),
  });
  const { repacksWeights } = target;
  const bytes = toBinary(ModelProtoSchema, model);
  return { bytes, inputs: inputSpecs, outputs: outputSpecs, weightFolder, repacksWeights };
}

/** The nodes that `outputs` depend on, in order, and all values that these nodes and the outputs read. */
function reachable(graph: GraphBuilder, outputs: readonly Value[]): { nodes: GraphNode[]; used: Set<Value> } {
  const used = new Set(outputs);
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => used.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) used.add(input);
  }
  return { nodes: nodes.reverse(), used };
}

/**
 * Emits all nodes in order, then the outputs under their names. Unless casts of weights are shared, each reader gets its own cast,
 * and all casts come first: casts run at every run, and shared or late casts would make onnxruntime keep float32 copies of all
 * weights alive.
 */
function emitNodes(
  graph: GraphBuilder,
  nodes: readonly GraphNode[],
  outputs: Readonly<Record<string, Value>>,
  emitter: Emitter,
): void {
  const names = new Map<Value, string>();
  const weightCasts = new Map<Value, { source: string; to: number }>();
  const { sharesCasts } = emitter.target;
  const leadingCasts: (typeof emitter.nodeProtos)[number][] = [];
  const read = (value: Value): string => {
    const weight = weightCasts.get(value);
    if (weight === undefined) return nameOf(names, value);
    const name = emitter.node("Cast", [weight.source], { to: weight.to });
    leadingCasts.push(...emitter.nodeProtos.splice(-1));
    return name;
  };
  for (const node of nodes) {
    if (!sharesCasts && node.op === "cast" && graph.producerOf(node.inputs[0]).op === "parameter") {
      const source = nameOf(names, node.inputs[0]);
      weightCasts.set(node.outputs[0], { source, to: onnxDataType[node.attributes.to] });
      continue;
    }
    const inputs = node.inputs.map(read);
    const first = emitter.nodeProtos.length;
    const results = emitOne(emitter, node, inputs);
    for (const [offset, proto] of emitter.nodeProtos.slice(first).entries()) {
      proto.name = `${node.scope}/${node.op}.${node.index}.${offset}`;
    }
    for (const [port, name] of results.entries()) names.set(at<Value>(node.outputs, port), name);
  }
  for (const [name, value] of Object.entries(outputs)) {
    emitter.nodeProtos.push(create(NodeProtoSchema, { opType: "Identity", input: [read(value)], output: [name] }));
  }
  emitter.nodeProtos.unshift(...leadingCasts);
}

function emitOne(emitter: Emitter, node: GraphNode, inputs: readonly string[]): readonly string[] {
  // The table maps each name to its own rule; the compiler cannot follow that through a union.
  const rule = operators[node.op] as {
    lower?(i: readonly Value[], a: typeof node.attributes, t: Target): Value | null;
    onnx(e: Emitter, n: OperatorNode<OperatorName>, i: readonly string[]): readonly string[];
  };
  if (rule.lower) {
    const graph = new Graph();
    const placeholders = node.inputs.map(({ dtype, shape }, index) => input(graph, `${index}`, shape, dtype));
    const value = rule.lower(placeholders, node.attributes, emitter.target);
    if (value) return [emitLowered(emitter, graph, value, new Map(zip(placeholders, inputs)))];
  }
  return rule.onnx(emitter, node, inputs);
}

/** Emits the nodes that `value` depends on; `names` has the names of the graph's inputs. */
function emitLowered(emitter: Emitter, graph: GraphBuilder, value: Value, names: Map<Value, string>): string {
  for (const node of reachable(graph, [value]).nodes) {
    if (node.op === "input") continue;
    const read = node.inputs.map((each) => nameOf(names, each));
    for (const [port, name] of emitOne(emitter, node, read).entries()) names.set(at<Value>(node.outputs, port), name);
  }
  return nameOf(names, value);
}

function nameOf(names: ReadonlyMap<Value, string>, value: Value): string {
  const name = names.get(value);
  if (name === undefined) throw new GraphError(`value %${value.id} is read but never computed`);
  return name;
}

/** The input of a hidden shape, which is never fed. */
function specOf({ name, dims }: TensorProto): TensorSpec {
  return { name, dtype: "int64", shape: dims.map(Number) };
}

/**
 * With `hidden`, the sizes are unknown. For hidden shapes even the number of axes must be unknown: onnxruntime compares each tensor
 * of known rank with every freed one, which took four seconds when it prepared 7000 nodes.
 */
function valueInfo({ name, dtype, shape }: TensorSpec, hidden = false) {
  const dim = shape.map((size) =>
    create(TensorShapeProto_DimensionSchema, hidden ? {} : { value: { case: "dimValue", value: BigInt(size) } }),
  );
  const tensor = create(TypeProto_TensorSchema, {
    elemType: onnxDataType[dtype],
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: "tensorType", value: tensor } }),
  });
}

/** Sets the location of each external initializer, relative to the deepest folder that contains all weight files. */
function locateExternals(externals: readonly ExternalInitializer[]): string | null {
  if (externals.length === 0) return null;
  const folder = externals.map(({ stored }) => dirname(stored.file)).reduce(commonFolder);
  for (const { proto, stored } of externals) {
    proto.externalData = [
      externalEntry("location", relative(folder, stored.file).split(sep).join("/")),
      externalEntry("offset", String(stored.offset)),
      externalEntry("length", String(stored.length)),
    ];
  }
  return folder;
}

function commonFolder(a: string, b: string): string {
  let folder = a;
  while (b !== folder && !b.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
    const parent = dirname(folder);
    if (parent === folder) throw new GraphError(`weight files in ${a} and ${b} have no common folder`);
    folder = parent;
  }
  return folder;
}
