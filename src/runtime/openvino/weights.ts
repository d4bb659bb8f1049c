/** @file Maps a model's weights for OpenVINO, which reads weight files only from the model's own folder, but memory at any address. */

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

/** The location that tells onnxruntime and OpenVINO that a tensor's offset is a memory address. */
const inMemory = "*/_ORT_MEM_ADDR_/*";

export interface MappedModel {
  readonly bytes: Uint8Array;
  /** Unmaps the files; call it only after the model has been compiled. */
  close(): void;
}

/** Maps the weight files of `model` and replaces their offsets by addresses. Modifies `model`. */
export function mapWeights(model: ModelProto, weightFolder: string | null): MappedModel {
  if (weightFolder === null) return { bytes: toBinary(ModelProtoSchema, model), close: () => undefined };
  const files = new Map<string, MappedFile>();
  const secondMappings = new Map<string, MappedFile>();
  const close = () => {
    for (const file of [...files.values(), ...secondMappings.values()]) file.close();
  };
  try {
    const duplicates = model.graph ? duplicateSquareWeights(model.graph) : [];
    for (const tensor of model.graph?.initializer ?? []) {
      if (tensor.externalData.length > 0) mapWeight(tensor, weightFolder, files);
    }
    for (const duplicate of duplicates) mapWeight(duplicate, weightFolder, secondMappings);
    model.graph?.initializer.push(...duplicates);
    return { bytes: toBinary(ModelProtoSchema, model), close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Duplicates square matrices and kernels that are read both transposed and untransposed, so that the two kinds of readers use
 * different weights, and returns the duplicates. OpenVINO caches packed weights by address and packed shape without the
 * transposition (seen in 2026.4), so the second reader would get the first one's. A second mapping of the file has another address.
 */
function duplicateSquareWeights(graph: GraphProto): TensorProto[] {
  const readers = new Map<string, NodeProto[]>();
  for (const node of graph.node) {
    for (const name of new Set(node.input)) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const readersOf = (name: string) => readers.get(name) ?? [];
  return graph.initializer.flatMap((tensor) => {
    const [rows, columns] = tensor.dims;
    if (tensor.externalData.length === 0 || rows !== columns) return [];
    const transposes = (node: NodeProto): boolean =>
      node.opType === "Cast" ? node.output.flatMap(readersOf).every(transposes) : readsTransposed(node);
    const untransposed = readersOf(tensor.name).filter((node) => !transposes(node));
    if (untransposed.length === 0 || untransposed.length === readersOf(tensor.name).length) return [];
    const duplicate = clone(TensorProtoSchema, tensor);
    duplicate.name = `${tensor.name}:untransposed`;
    for (const node of untransposed)
      node.input = node.input.map((name) => (name === tensor.name ? duplicate.name : name));
    return [duplicate];
  });
}

/** Whether a node reads a matrix or kernel with its first two axes swapped. */
function readsTransposed({ opType, attribute }: NodeProto): boolean {
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

function mapWeight(tensor: TensorProto, folder: string, files: Map<string, MappedFile>): void {
  const path = join(folder, entry(tensor, "location").value);
  const offset = entry(tensor, "offset");
  const file = files.get(path) ?? open(path);
  files.set(path, file);
  const end = Number(offset.value) + Number(entry(tensor, "length").value);
  if (end > file.size) {
    throw new Error(`${path} has ${file.size} bytes, but ${tensor.name} ends at ${end}: download it again`);
  }
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
