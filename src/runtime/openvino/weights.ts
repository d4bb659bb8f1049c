/** @file Weights of a model for OpenVINO: it takes files only from beside a model's own file, but memory from anywhere. */

import { join } from "node:path";
import { clone, toBinary } from "@bufbuild/protobuf";
import {
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type StringStringEntryProto,
  type TensorProto,
  TensorProtoSchema,
} from "onnx-buf";
import { messageOf } from "../../core/errors.js";
import { type MappedFile, mapFile } from "./mapped-file.js";

/** The location by which onnxruntime and OpenVINO know that a tensor's offset is its address in memory. */
const inMemory = "*/_ORT_MEM_ADDR_/*";

export interface PlacedModel {
  readonly bytes: Uint8Array;
  /** Not before the model has been compiled. */
  close(): void;
}

/** The model with the files of its weights mapped and their offsets turned into addresses; `model` is changed. */
export function placeWeights(model: ModelProto, weightFolder: string | null): PlacedModel {
  if (weightFolder === null) return { bytes: toBinary(ModelProtoSchema, model), close: () => undefined };
  const files = new Map<string, MappedFile>();
  const others = new Map<string, MappedFile>();
  const close = () => {
    for (const file of [...files.values(), ...others.values()]) file.close();
  };
  try {
    const twins = model.graph ? separateSquares(model.graph) : [];
    for (const tensor of model.graph?.initializer ?? []) {
      if (tensor.externalData.length > 0) place(tensor, weightFolder, files);
    }
    for (const twin of twins) place(twin, weightFolder, others);
    model.graph?.initializer.push(...twins);
    return { bytes: toBinary(ModelProtoSchema, model), close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Gives matrices and kernels of as many outputs as inputs, where they are read both as they are and transposed, a twin for the
 * former, and returns the twins. OpenVINO keeps packed weights by their address and packed shape and leaves out which way they
 * were read (seen in 2026.4), so that the second reader would get the other's. A second mapping of the file has another address.
 */
function separateSquares(graph: GraphProto): TensorProto[] {
  const readers = new Map<string, NodeProto[]>();
  for (const node of graph.node) {
    for (const name of new Set(node.input)) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const readersOf = (name: string) => readers.get(name) ?? [];
  return graph.initializer.flatMap((tensor) => {
    const [rows, columns] = tensor.dims;
    if (tensor.externalData.length === 0 || rows !== columns) return [];
    const transposes = (node: NodeProto): boolean =>
      node.opType === "Cast" ? node.output.flatMap(readersOf).every(transposes) : turnsAround(node);
    const straight = readersOf(tensor.name).filter((node) => !transposes(node));
    if (straight.length === 0 || straight.length === readersOf(tensor.name).length) return [];
    const twin = clone(TensorProtoSchema, tensor);
    twin.name = `${tensor.name}:straight`;
    for (const node of straight) node.input = node.input.map((name) => (name === tensor.name ? twin.name : name));
    return [twin];
  });
}

/** Whether a node reads a matrix or kernel with its first axes exchanged. */
function turnsAround({ opType, attribute }: NodeProto): boolean {
  switch (opType) {
    case "Transpose":
    case "ConvTranspose":
      return true;
    case "Gemm":
      return attribute.some(({ name, i }) => name === "transB" && i === 1n);
    default:
      return false;
  }
}

function place(tensor: TensorProto, folder: string, files: Map<string, MappedFile>): void {
  const path = join(folder, entry(tensor, "location").value);
  const offset = entry(tensor, "offset");
  const file = files.get(path) ?? open(path);
  files.set(path, file);
  const end = Number(offset.value) + Number(entry(tensor, "length").value);
  if (end > file.size) throw new Error(`${path} has ${file.size} bytes, ${tensor.name} ends at ${end}: load it again`);
  offset.value = String(file.address + BigInt(offset.value));
  entry(tensor, "location").value = inMemory;
}

function open(path: string): MappedFile {
  try {
    return mapFile(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${messageOf(error)}`);
  }
}

function entry(tensor: TensorProto, key: string): StringStringEntryProto {
  const found = tensor.externalData.find((candidate) => candidate.key === key);
  if (!found) throw new Error(`the weight ${tensor.name} has no ${key}`);
  return found;
}
