/** @file Writes float32 tensors in the format of torch.save, for torch.load. */

import { zipSync } from "fflate";
import { writeFileAtomic } from "../core/files.js";
import { type FloatTensor, formatShape, type Shape } from "../core/tensor.js";

/** Modification time of every entry, in local time: the earliest of the zip format, so that equal input gives equal bytes. */
const entryDate = new Date(1980, 0, 1);

/** Writes a tensor; loads with `weights_only=True`. */
export function writeTorchTensor(file: string, tensor: FloatTensor): Promise<void> {
  return writeTorch(file, [tensor], ([rebuilt]) => rebuilt ?? []);
}

/** Writes an nn.Parameter; loads with `weights_only=True`. */
export function writeTorchParameter(file: string, tensor: FloatTensor): Promise<void> {
  return writeTorch(file, [tensor], ([rebuilt]) => rebuildParameter(rebuilt ?? []));
}

/** Writes a state dict in the map's order; loads with `weights_only=True`. */
export function writeTorchStateDict(file: string, tensors: ReadonlyMap<string, FloatTensor>): Promise<void> {
  const names = [...tensors.keys()];
  return writeTorch(file, [...tensors.values()], (rebuilt) => [
    ...orderedDict,
    ...items(names.map((name, i) => [name, rebuilt[i] ?? []])),
  ]);
}

/** Writes an nn.Embedding module with a weight [rows, width]; loads with `weights_only=False`, as in the SoftREPA code. */
export function writeTorchEmbedding(file: string, tensor: FloatTensor): Promise<void> {
  const [rows, width] = tensor.shape;
  if (rows === undefined || width === undefined || tensor.shape.length !== 2) {
    throw new RangeError(`an embedding is a matrix, not ${formatShape(tensor.shape)}`);
  }
  return writeTorch(file, [tensor], ([rebuilt]) => embedding(rows, width, rebuilt ?? []));
}

/** `pickle` assembles the root object from the pickles of the tensors, whose storages are "0", "1", ... */
async function writeTorch(
  file: string,
  tensors: readonly FloatTensor[],
  pickle: (rebuilt: readonly Code[]) => Code,
): Promise<void> {
  const program: Code = [0x80, 2, ...pickle(tensors.map(({ shape }, i) => rebuildTensor(String(i), shape))), 0x2e];
  const storages = tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const text = (value: string) => new TextEncoder().encode(value);
  const entries: [string, Uint8Array][] = [
    ["archive/data.pkl", Uint8Array.from(program)],
    ["archive/byteorder", text("little")],
    ...storages.map((bytes, i): [string, Uint8Array] => [`archive/data/${i}`, bytes]),
    ["archive/version", text("3\n")],
  ];
  await writeFileAtomic(file, zipSync(Object.fromEntries(entries), { level: 0, mtime: entryDate }));
}

// Pickle protocol 2 without memo: nothing is shared, and all lengths are known in advance.

type Code = readonly number[];

const none: Code = [0x4e];
const no: Code = [0x89];
const yes: Code = [0x88];
const reduce: Code = [0x52];
const emptyTuple: Code = [0x29];

function global(module: string, name: string): Code {
  return [0x63, ...new TextEncoder().encode(`${module}\n${name}\n`)];
}

function text(value: string): Code {
  const bytes = new TextEncoder().encode(value);
  return [0x58, ...little(bytes.length, 4), ...bytes];
}

/** BININT if it fits, else LONG1 of eight bytes. */
function integer(value: number): Code {
  return value < 2 ** 31 ? [0x4a, ...little(value, 4)] : [0x8a, 8, ...little(value, 8)];
}

function little(value: number, bytes: number): Code {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);
}

function float(value: number): Code {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value, false);
  return [0x47, ...new Uint8Array(view.buffer)];
}

function tuple(...members: readonly Code[]): Code {
  return [0x28, ...members.flat(), 0x74];
}

function items(pairs: readonly (readonly [string, Code])[]): Code {
  return [0x28, ...pairs.flatMap(([name, value]) => [...text(name), ...value]), 0x75];
}

const orderedDict: Code = [...global("collections", "OrderedDict"), ...emptyTuple, ...reduce];

function rebuildTensor(key: string, shape: Shape): Code {
  const stride = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const count = shape.reduce((product, size) => product * size, 1);
  const storage = tuple(text("storage"), global("torch", "FloatStorage"), text(key), text("cpu"), integer(count));
  const args = tuple(
    [...storage, 0x51],
    integer(0),
    tuple(...shape.map(integer)),
    tuple(...stride.map(integer)),
    no,
    orderedDict,
  );
  return [...global("torch._utils", "_rebuild_tensor_v2"), ...args, ...reduce];
}

function rebuildParameter(tensor: Code): Code {
  return [...global("torch._utils", "_rebuild_parameter"), ...tuple(tensor, yes, orderedDict), ...reduce];
}

/** The attributes of nn.Embedding; loading adds those of newer PyTorch versions. */
function embedding(rows: number, width: number, weight: Code): Code {
  const hooks = [
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
  ];
  const emptySet: Code = [...global("__builtin__", "set"), 0x5d, 0x85, ...reduce];
  const state = items([
    ["training", no],
    ["_parameters", [...orderedDict, ...items([["weight", rebuildParameter(weight)]])]],
    ["_buffers", orderedDict],
    ["_non_persistent_buffers_set", emptySet],
    ...hooks.map((name): [string, Code] => [name, orderedDict]),
    ["_is_full_backward_hook", none],
    ["_modules", orderedDict],
    ["num_embeddings", integer(rows)],
    ["embedding_dim", integer(width)],
    ["padding_idx", none],
    ["max_norm", none],
    ["norm_type", float(2)],
    ["scale_grad_by_freq", no],
    ["sparse", no],
  ]);
  return [...global("torch.nn.modules.sparse", "Embedding"), ...emptyTuple, 0x81, 0x7d, ...state, 0x62];
}
