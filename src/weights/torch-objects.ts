/** @file The Python objects of PyTorch weights as inert records, and the tensors found in an unpickled file. */

import { InputError } from "../core/errors.js";
import { formatShape, type Shape, sizeOf } from "../core/tensor.js";
import {
  HostObject,
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleSet,
  PickleTuple,
  type PickleValue,
} from "./pickle-values.js";
import type { StoredType } from "./source.js";

/** A storage: the file entry `data/<key>` with `count` elements. */
export class StorageRecord extends HostObject {
  constructor(
    readonly dtype: StoredType,
    readonly key: string,
    readonly count: number,
  ) {
    super();
  }
}

/** A tensor: a strided view of a storage; offset and strides count elements. */
export class TensorRecord extends HostObject {
  constructor(
    readonly storage: StorageRecord,
    readonly offset: number,
    readonly shape: Shape,
    readonly stride: Shape,
  ) {
    super();
  }
}

/** Reads a storage; the same object for all tensors that share it. */
export interface StorageBytes {
  /** From the start of the file. */
  offset(): Promise<number>;
  /** Reads all bytes, verified if the format has a checksum. */
  read(): Promise<Uint8Array>;
}

/** A tensor and its storage in the file. */
export interface LocatedTensor {
  readonly record: TensorRecord;
  readonly bytes: StorageBytes;
}

/** A pickled nn.Module; only its attributes are kept. */
class ModuleRecord extends HostObject {
  state: PickleValue = null;

  override setState(state: PickleValue): void {
    this.state = state;
  }
}

/** An object that does not affect the values of weights, such as a device. */
class Inert extends HostObject {}

const storageTypes: Readonly<Record<string, StoredType>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

/** PyTorch's limit. */
const maxRank = 64;

/** The allowed globals of weight files. */
export const torchGlobals: ReadonlyMap<string, PickleGlobal> = new Map(
  [
    ...Object.keys(storageTypes).map((name) => new PickleGlobal(`torch.${name}`)),
    new PickleGlobal("torch._utils._rebuild_tensor", rebuildTensor),
    new PickleGlobal("torch._utils._rebuild_tensor_v2", rebuildTensor),
    new PickleGlobal("torch._utils._rebuild_parameter", rebuildParameter),
    new PickleGlobal("torch._utils._rebuild_parameter_with_state", rebuildParameter),
    new PickleGlobal("torch.nn.modules.sparse.Embedding", () => new ModuleRecord()),
    new PickleGlobal("torch.Size", ([sizes = new PickleTuple([])]) => sizes),
    new PickleGlobal("torch.device", () => new Inert()),
    new PickleGlobal("collections.OrderedDict", orderedDict),
    new PickleGlobal("builtins.set", set),
  ].map((global) => [global.name, global]),
);

/** Resolves a persistent id: ("storage", type, key, device, number of elements). */
export function storageOf(id: PickleValue): StorageRecord {
  const [kind, type, key, , count] = id instanceof PickleTuple ? id.items : [];
  const dtype = type instanceof PickleGlobal ? storageTypes[type.name.replace(/^torch\./, "")] : undefined;
  if (kind !== "storage" || dtype === undefined || typeof key !== "string" || !isCount(count)) {
    throw new InputError("a persistent id in the pickle is not a storage");
  }
  return new StorageRecord(dtype, key, count);
}

function rebuildTensor(args: readonly PickleValue[]): TensorRecord {
  const [storage, offset, rawShape, rawStride] = args;
  const shape = counts(rawShape);
  const stride = counts(rawStride);
  if (!(storage instanceof StorageRecord) || !isCount(offset) || !shape || !stride || shape.length !== stride.length) {
    throw new InputError("a tensor in the pickle lacks a storage, offset, shape or strides");
  }
  const size = sizeOf(shape);
  const last = shape.reduce((index, length, axis) => index + (length - 1) * (stride[axis] ?? 0), offset);
  const what = `a tensor of shape ${formatShape(shape)}, strides ${formatShape(stride)} and offset ${offset}`;
  if (size > 0 && !(last < storage.count)) {
    throw new InputError(`${what} reaches outside its storage of ${storage.count} elements`);
  }
  // Strides of zero are legal in PyTorch, but would let a small file claim any amount of memory.
  if (!(size <= storage.count)) {
    throw new InputError(`${what} repeats its storage of ${storage.count} elements; save it again after .contiguous()`);
  }
  return new TensorRecord(storage, offset, shape, stride);
}

function rebuildParameter([tensor]: readonly PickleValue[]): TensorRecord {
  if (!(tensor instanceof TensorRecord)) throw new InputError("a parameter in the pickle has no tensor");
  return tensor;
}

/** OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]). */
function orderedDict([pairs]: readonly PickleValue[]): PickleDict {
  const dict = new PickleDict();
  for (const pair of pairs instanceof PickleList ? pairs.items : []) {
    const [key, value] = pair instanceof PickleList || pair instanceof PickleTuple ? pair.items : [];
    if (key === undefined || value === undefined) throw new InputError("an OrderedDict in the pickle has no pairs");
    dict.entries.set(key, value);
  }
  return dict;
}

function set([items]: readonly PickleValue[]): PickleSet {
  const result = new PickleSet();
  for (const item of items instanceof PickleList ? items.items : []) result.items.push(item);
  return result;
}

function counts(value: PickleValue | undefined): number[] | undefined {
  if (!(value instanceof PickleTuple) || value.items.length > maxRank) return undefined;
  const numbers = value.items.filter(isCount);
  return numbers.length === value.items.length ? numbers : undefined;
}

function isCount(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Keys of the state dict in training checkpoints, which also hold optimizer states and counters. */
const wrappers = ["state_dict", "model_state_dict", "model"] as const;

/**
 * The tensors of an unpickled object: a bare tensor or parameter is named "", that of an nn.Embedding module "weight"; the
 * entries of a state dict (also inside a training checkpoint) keep their names. Other entries, such as step counters, are
 * ignored.
 */
export function namedTensors(root: PickleValue): ReadonlyMap<string, TensorRecord> {
  if (root instanceof TensorRecord) return new Map([["", root]]);
  if (root instanceof ModuleRecord) {
    const parameters = root.state instanceof PickleDict ? root.state.entries.get("_parameters") : undefined;
    return parameters instanceof PickleDict ? tensorsIn(parameters) : new Map();
  }
  if (!(root instanceof PickleDict)) return new Map();
  for (const wrapper of wrappers) {
    const inner = root.entries.get(wrapper);
    if (!(inner instanceof PickleDict)) continue;
    const tensors = tensorsIn(inner);
    if (tensors.size > 0) return tensors;
  }
  return tensorsIn(root);
}

function tensorsIn(dict: PickleDict): ReadonlyMap<string, TensorRecord> {
  const tensors = new Map<string, TensorRecord>();
  for (const [name, value] of dict.entries) {
    if (typeof name === "string" && value instanceof TensorRecord) tensors.set(name, value);
  }
  return tensors;
}
