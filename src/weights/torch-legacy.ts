/**
 * @file PyTorch's format before 1.6, which many older networks still use: five consecutive pickles (a magic number, a version,
 * the machine, the object, the storages' keys), then each storage as its length and its bytes (torch/serialization.py,
 * _legacy_save). The same restrictions apply to the object as in the newer format.
 */

import { InputError } from "../core/errors.js";
import { storedSize } from "./decode.js";
import { unpickleAt } from "./pickle.js";
import { PickleDict, PickleList, PickleTuple, type PickleValue } from "./pickle-values.js";
import type { OpenFile } from "./read-bytes.js";
import {
  type LocatedTensor,
  namedTensors,
  type StorageBytes,
  type StorageRecord,
  storageOf,
  torchGlobals,
} from "./torch-objects.js";

/** The first pickle as PyTorch writes it: protocol 2, then the number 0x1950a86a20f9469cfc6c in ten bytes. */
const magic = Uint8Array.from([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]);
const knownVersion = 1001;

/** Whether the file starts with the format's magic number. */
export async function isLegacy(open: OpenFile): Promise<boolean> {
  if (open.size < magic.length) return false;
  const head = await open.read(0, magic.length, "the first bytes");
  return head.every((byte, index) => byte === magic[index]);
}

/** Locates the tensors of the file; its pickles may take at most `maxPickles` bytes. */
export async function locateLegacy(open: OpenFile, maxPickles: number): Promise<ReadonlyMap<string, LocatedTensor>> {
  const bytes = await open.read(0, Math.min(open.size, maxPickles), "the pickles");
  const storages = new Map<string, StorageRecord>();
  const support = {
    globals: torchGlobals,
    persistentLoad: (id: PickleValue) => {
      if (id instanceof PickleTuple && id.items.length > 5 && id.items[5] !== null) {
        throw new InputError(
          "a storage that is part of another cannot be read; load it in PyTorch and torch.save it again",
        );
      }
      const storage = storageOf(id);
      const known = storages.get(storage.key) ?? storage;
      if (known.dtype !== storage.dtype || known.count !== storage.count) {
        throw new InputError(`the storage ${JSON.stringify(storage.key)} is described in two ways`);
      }
      storages.set(storage.key, known);
      return known;
    },
  };
  let at = magic.length;
  const next = (): PickleValue => {
    const { value, end } = unpickleAt(bytes, at, support, open.path);
    at = end;
    return value;
  };
  const version = next();
  if (version !== knownVersion)
    throw new InputError(`${open.path}: version ${String(version)} of PyTorch's old format is not known`);
  const machine = next();
  if (machine instanceof PickleDict && machine.entries.get("little_endian") === false) {
    throw new InputError(`${open.path} was written on a big-endian machine; little-endian is needed`);
  }
  const tensors = namedTensors(next());
  if (tensors.size === 0) throw new InputError(`${open.path} holds no tensors, state dict or embedding`);
  const offsets = await storageOffsets(open, next(), at, storages);
  const located = new Map<StorageRecord, StorageBytes>();
  return new Map(
    [...tensors].map(([name, record]) => {
      const { storage } = record;
      const offset = offsets.get(storage.key);
      if (offset === undefined) {
        throw new InputError(`${open.path}: the storage of tensor ${JSON.stringify(name)} is missing`);
      }
      const length = storage.count * storedSize[storage.dtype];
      const storageBytes = located.get(storage) ?? {
        offset: async () => offset,
        read: () => open.read(offset, length, `tensor ${JSON.stringify(name)}`),
      };
      located.set(storage, storageBytes);
      return [name, { record, bytes: storageBytes }];
    }),
  );
}

/** Offsets of the storages' data by key. Each is preceded by its number of elements, in eight bytes. */
async function storageOffsets(
  open: OpenFile,
  keys: PickleValue,
  start: number,
  storages: ReadonlyMap<string, StorageRecord>,
): Promise<ReadonlyMap<string, number>> {
  if (!(keys instanceof PickleList)) throw new InputError(`${open.path}: the list of its storages is missing`);
  const offsets = new Map<string, number>();
  let at = start;
  for (const key of keys.items) {
    const storage = typeof key === "string" ? storages.get(key) : undefined;
    if (storage === undefined) throw new InputError(`${open.path} lists a storage that no tensor has`);
    if (offsets.has(storage.key))
      throw new InputError(`${open.path} lists the storage ${JSON.stringify(storage.key)} twice`);
    const head = await open.read(at, 8, `the length of storage ${JSON.stringify(storage.key)}`);
    const count = Number(new DataView(head.buffer).getBigInt64(0, true));
    if (count !== storage.count) {
      throw new InputError(
        `${open.path}: the storage ${JSON.stringify(storage.key)} should have ${storage.count} elements, it has ${count}`,
      );
    }
    offsets.set(storage.key, at + 8);
    at += 8 + count * storedSize[storage.dtype];
    if (at > open.size) {
      throw new InputError(
        `${open.path} is cut short: storage ${JSON.stringify(storage.key)} ends at byte ${at}, the file has ${open.size}`,
      );
    }
  }
  return offsets;
}
