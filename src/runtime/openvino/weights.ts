/** @file Weights of a model for OpenVINO: it takes files only from beside a model's own file, but memory from anywhere. */

import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, type StringStringEntryProto, type TensorProto } from "onnx-buf";
import { messageOf } from "../../core/errors.js";
import type { OnnxModel } from "../model.js";
import { type MappedFile, mapFile } from "./mapped-file.js";

/** The location by which onnxruntime and OpenVINO know that a tensor's offset is its address in memory. */
const inMemory = "*/_ORT_MEM_ADDR_/*";

export interface PlacedModel {
  readonly bytes: Uint8Array;
  /** Not before the model has been compiled. */
  close(): void;
}

/** The model with the files of its weights mapped and their offsets turned into addresses. */
export function placeWeights({ bytes, weightFolder }: OnnxModel): PlacedModel {
  if (weightFolder === null) return { bytes, close: () => undefined };
  const model = fromBinary(ModelProtoSchema, bytes);
  const files = new Map<string, MappedFile>();
  const close = () => {
    for (const file of files.values()) file.close();
  };
  try {
    for (const tensor of model.graph?.initializer ?? []) {
      if (tensor.externalData.length > 0) place(tensor, weightFolder, files);
    }
    return { bytes: toBinary(ModelProtoSchema, model), close };
  } catch (error) {
    close();
    throw error;
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
