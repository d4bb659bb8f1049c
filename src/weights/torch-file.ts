/**
 * @file Reads PyTorch weights (.pth, .pt, .bin, .ckpt) without running their code: the zip format of PyTorch 1.6 and the older
 * one.
 */

import { realpath } from "node:fs/promises";
import { InputError } from "../core/errors.js";
import { type FloatTensor, floatTensor, type Shape, sizeOf } from "../core/tensor.js";
import { decode, storedSize } from "./decode.js";
import { unpickle } from "./pickle.js";
import { type OpenFile, withFile } from "./read-bytes.js";
import type { StoredTensor, WeightSource } from "./source.js";
import { isLegacy, locateLegacy } from "./torch-legacy.js";
import {
  type LocatedTensor,
  namedTensors,
  type StorageBytes,
  storageOf,
  type TensorRecord,
  torchGlobals,
} from "./torch-objects.js";
import { isZip, readZipDirectory, readZipEntry, type ZipEntry, zipDataOffset } from "./zip.js";

/** Twice the size of 100,000 names and shapes. */
const maxPickle = 32 << 20;

/** Float32 takes 4 times the bytes of int8; beyond this factor, tensors share storage more than real weights do. */
const maxExpansion = 16;

/**
 * Reads all tensors of `file` as float32 and verifies the storages' checksums, if there are any. A bare tensor or parameter is
 * named "", that of an nn.Embedding module "weight"; the entries of a state dict keep their names. A state dict inside a
 * training checkpoint (`state_dict`, `model_state_dict` or `model`) is unwrapped. Throws an InputError for damaged or
 * unsupported files.
 */
export async function readTorchFile(file: string): Promise<ReadonlyMap<string, FloatTensor>> {
  return withFile(file, async (open) => {
    const located = await locateTensors(open);
    const elements = [...located.values()].reduce((sum, { record }) => sum + sizeOf(record.shape), 0);
    if (4 * elements > maxExpansion * open.size) {
      throw new InputError(
        `${file}: its tensors claim ${elements} elements, more than a file of ${open.size} bytes can hold`,
      );
    }
    // Storage by storage, so that shared storages are read once.
    const byStorage = new Map<StorageBytes, [string, TensorRecord][]>();
    for (const [name, { record, bytes }] of located) {
      const sharers = byStorage.get(bytes) ?? [];
      sharers.push([name, record]);
      byStorage.set(bytes, sharers);
    }
    const values = new Map<string, FloatTensor>();
    for (const [storage, sharers] of byStorage) {
      const bytes = await storage.read();
      for (const [name, record] of sharers) values.set(name, gather(record, bytes));
    }
    // In the order of the dict, not of the storages.
    return new Map([...located.keys()].map((name) => [name, values.get(name) as FloatTensor]));
  });
}

/**
 * Opens `file` without reading its tensors: PyTorch stores them uncompressed, so large files can be read tensor by tensor or
 * memory-mapped. Throws an InputError for tensors that are not contiguous.
 */
export async function openTorchFile(file: string): Promise<WeightSource> {
  return withFile(file, async (open) => {
    const real = await realpath(file);
    const tensors = new Map<string, StoredTensor>();
    for (const [name, { record, bytes }] of await locateTensors(open)) {
      const { storage, shape, stride } = record;
      if (!isContiguous(shape, stride)) {
        throw new InputError(
          `${file}: tensor ${JSON.stringify(name)} is not contiguous; save it again after .contiguous()`,
        );
      }
      const width = storedSize[storage.dtype];
      const offset = (await bytes.offset()) + record.offset * width;
      tensors.set(name, { name, dtype: storage.dtype, shape, file: real, offset, length: sizeOf(shape) * width });
    }
    return { origin: file, tensors, metadata: {} };
  });
}

async function locateTensors(open: OpenFile): Promise<ReadonlyMap<string, LocatedTensor>> {
  if (await isLegacy(open)) return locateLegacy(open, maxPickle);
  if (!(await isZip(open))) throw new InputError(`${open.path} is not a PyTorch file: it is not a zip archive`);
  const entries = await readZipDirectory(open);
  const pickle = [...entries.values()].find(({ name }) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
  if (pickle === undefined)
    throw new InputError(`${open.path} is a zip file without data.pkl, so it has no PyTorch weights`);
  const root = pickle.name.slice(0, -"data.pkl".length);
  if (entries.has(`${root}constants.pkl`)) {
    throw new InputError(`${open.path} is a TorchScript program; the weights alone are needed (save its state_dict())`);
  }
  await requireLittleEndian(open, entries.get(`${root}byteorder`));
  if (pickle.size > maxPickle) throw new InputError(`${open.path}: its data.pkl of ${pickle.size} bytes is too long`);
  const support = { globals: torchGlobals, persistentLoad: storageOf };
  const tensors = namedTensors(unpickle(await readZipEntry(open, pickle), support, open.path));
  if (tensors.size === 0) throw new InputError(`${open.path} holds no tensors, state dict or embedding`);
  const storages = new Map<ZipEntry, StorageBytes>();
  return new Map(
    [...tensors].map(([name, record]) => {
      const entry = entryOf(open, entries, root, name, record);
      const bytes = storages.get(entry) ?? {
        offset: () => zipDataOffset(open, entry),
        read: () => readZipEntry(open, entry),
      };
      storages.set(entry, bytes);
      return [name, { record, bytes }];
    }),
  );
}

function entryOf(
  open: OpenFile,
  entries: ReadonlyMap<string, ZipEntry>,
  root: string,
  name: string,
  { storage }: TensorRecord,
): ZipEntry {
  const entryName = `${root}data/${storage.key}`;
  const entry = entries.get(entryName);
  if (entry === undefined) {
    throw new InputError(
      `${open.path}: the storage ${JSON.stringify(entryName)} of tensor ${JSON.stringify(name)} is missing`,
    );
  }
  const expected = storage.count * storedSize[storage.dtype];
  if (entry.size !== expected) {
    throw new InputError(
      `${open.path}: the storage of tensor ${JSON.stringify(name)} should have ${expected} bytes, it has ${entry.size}`,
    );
  }
  return entry;
}

async function requireLittleEndian(open: OpenFile, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined || entry.size > 16) return;
  const order = new TextDecoder().decode(await readZipEntry(open, entry));
  if (order !== "little")
    throw new InputError(`${open.path} has the byte order ${JSON.stringify(order)}; little is needed`);
}

function isContiguous(shape: Shape, stride: Shape): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    if (size === 0) return true;
    if (size !== 1 && stride[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

/** Copies a tensor's values from its storage's bytes, row-major. */
function gather({ storage, offset, shape, stride }: TensorRecord, bytes: Uint8Array): FloatTensor {
  const width = storedSize[storage.dtype];
  const size = sizeOf(shape);
  if (size === 0) return floatTensor(shape);
  if (isContiguous(shape, stride)) {
    return floatTensor(shape, decode(storage.dtype, bytes.slice(offset * width, (offset + size) * width)));
  }
  const last = shape.reduce((index, length, axis) => index + (length - 1) * (stride[axis] as number), offset);
  const span = decode(storage.dtype, bytes.slice(offset * width, (last + 1) * width));
  // Copied as bits, since assigning a float could change the payload of a NaN.
  const source = new Uint32Array(span.buffer);
  const target = new Uint32Array(size);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < size; to++) {
    target[to] = source[from] as number;
    // Increment `index`, innermost axis first, and advance `from`.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      from += stride[axis] as number;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      from -= (stride[axis] as number) * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return floatTensor(shape, new Float32Array(target.buffer));
}
