/** @file Reads and writes safetensors: an 8-byte length, a JSON header, then the tensors' bytes without gaps. */

import { realpath } from "node:fs/promises";
import { z } from "zod";
import { InputError, messageOf } from "../core/errors.js";
import { writeChunksAtomic } from "../core/files.js";
import {
  type DType,
  type FloatTensor,
  floatTensor,
  formatShape,
  type Shape,
  sizeOf,
  type Tensor,
} from "../core/tensor.js";
import { decode, storedSize } from "./decode.js";
import { type OpenFile, withFile } from "./read-bytes.js";
import { type StoredTensor, type StoredType, storedTypes, type WeightSource } from "./source.js";

/** The format's own limit on the header. */
const maxHeader = 100_000_000;

const metadataSchema = z.record(z.string(), z.string());

const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

/** Reads only the header of `file` and checks it against the file's size. Throws an InputError if it is damaged. */
export async function openSafetensors(file: string): Promise<WeightSource> {
  return withFile(file, async (open) => {
    const { header, dataStart } = await readHeader(open);
    const { __metadata__: rawMetadata, ...entries } = header;
    const metadata = checked(metadataSchema, rawMetadata ?? {}, `${file}: its __metadata__`);
    const real = await realpath(file);
    const tensors = Object.entries(entries).map(([name, entry]) => locate(open, real, dataStart, name, entry));
    checkNoGaps(open, dataStart, tensors);
    return { origin: file, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata };
  });
}

/** Reads one tensor of any type as float32. */
export async function readTensor(stored: StoredTensor): Promise<FloatTensor> {
  const bytes = await withFile(stored.file, (open) =>
    open.read(stored.offset, stored.length, `tensor ${JSON.stringify(stored.name)}`),
  );
  return floatTensor(stored.shape, decode(stored.dtype, bytes));
}

async function readHeader(open: OpenFile): Promise<{ header: Record<string, unknown>; dataStart: number }> {
  const notOne = (why: string) => new InputError(`${open.path} is not a safetensors file: ${why}`);
  if (open.size < 8) throw notOne(`it has only ${open.size} bytes`);
  const prefix = await open.read(0, 8, "the header's length");
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > maxHeader) throw notOne("it does not begin with the length of a header");
  const bytes = await open.read(8, length, "the header");
  if (bytes[0] !== 0x7b) throw notOne("its header does not begin with {");
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw notOne(`its header is not JSON: ${messageOf(error)}`);
  }
  return {
    header: checked(z.record(z.string(), z.unknown()), header, `${open.path}: its header`),
    dataStart: 8 + length,
  };
}

/** Locates a header entry's bytes in the file. */
function locate(open: OpenFile, real: string, dataStart: number, name: string, raw: unknown): StoredTensor {
  const where = `${open.path}: tensor ${JSON.stringify(name)}`;
  const { dtype, shape, data_offsets } = checked(entrySchema, raw, where);
  if (!isStoredType(dtype)) throw new InputError(`${where} is of type ${JSON.stringify(dtype)}, which cannot be read`);
  const [begin, end] = data_offsets;
  const length = sizeOf(shape) * storedSize[dtype];
  if (end - begin !== length) {
    throw new InputError(
      `${where} should take ${length} bytes as ${dtype}${formatShape(shape)}, its offsets say ${end - begin}`,
    );
  }
  if (dataStart + end > open.size) {
    throw new InputError(
      `${open.path} is cut short: tensor ${JSON.stringify(name)} ends at byte ${dataStart + end}, the file has ${open.size}`,
    );
  }
  return { name, dtype, shape, file: real, offset: dataStart + begin, length };
}

/** The format requires every byte of data to belong to exactly one tensor. */
function checkNoGaps(open: OpenFile, dataStart: number, tensors: readonly StoredTensor[]): void {
  const byOffset = [...tensors].sort((a, b) => a.offset - b.offset || a.length - b.length);
  let end = dataStart;
  for (const tensor of byOffset) {
    if (tensor.offset !== end) {
      const fault = tensor.offset < end ? "overlaps the tensor before it" : "leaves a gap before it";
      throw new InputError(
        `${open.path}: tensor ${JSON.stringify(tensor.name)} ${fault} (byte ${tensor.offset}, not ${end})`,
      );
    }
    end += tensor.length;
  }
  if (end !== open.size) {
    throw new InputError(`${open.path} has ${open.size - end} bytes that belong to no tensor, from byte ${end}`);
  }
}

function isStoredType(dtype: string): dtype is StoredType {
  return (storedTypes as readonly string[]).includes(dtype);
}

/** Parses `value` with `schema`. Throws an InputError in one line. */
function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.length ? ` (at ${issue.path.join(".")})` : "";
  throw new InputError(`${what} is malformed: ${messageOf(issue?.message)}${path}`);
}

/** Stored type and order of each dtype: the widest first, so that each tensor is aligned to its element size. */
const storage: Record<DType, { readonly type: StoredType; readonly order: number }> = {
  int64: { type: "I64", order: 0 },
  float32: { type: "F32", order: 1 },
  float16: { type: "F16", order: 2 },
  bfloat16: { type: "BF16", order: 2 },
  bool: { type: "BOOL", order: 3 },
};

/** Writes `tensors`. The bytes do not depend on the order of the map. */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const [name, { shape, data }] of tensors) requireCount(name, shape, data);
  const data = new Map([...tensors].map(([name, tensor]) => [name, tensor.data]));
  await writeSafetensorsLazily(file, tensors, (name) => data.get(name) ?? new Float32Array(0), metadata);
}

/** As `writeSafetensors`, but calls `values` for each tensor when it is written, to bound the memory. */
export async function writeSafetensorsLazily(
  file: string,
  tensors: ReadonlyMap<string, Pick<Tensor, "dtype" | "shape">>,
  values: (name: string) => Tensor["data"],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = [...tensors].sort(
    ([nameA, a], [nameB, b]) => storage[a.dtype].order - storage[b.dtype].order || compare(nameA, nameB),
  );
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) {
    entries.push(["__metadata__", Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => compare(a, b)))]);
  }
  let end = 0;
  for (const [name, { dtype, shape }] of ordered) {
    if (name === "__metadata__") throw new InputError("a tensor cannot be named __metadata__ in a safetensors file");
    const begin = end;
    end += storedSize[storage[dtype].type] * sizeOf(shape);
    entries.push([name, { dtype: storage[dtype].type, shape, data_offsets: [begin, end] }]);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  await writeChunksAtomic(file, chunksOf());

  function* chunksOf(): Generator<Uint8Array> {
    yield header;
    for (const [name, { shape }] of ordered) {
      const data = values(name);
      requireCount(name, shape, data);
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
  }
}

function requireCount(name: string, shape: Shape, { length }: Tensor["data"]): void {
  if (length !== sizeOf(shape)) {
    throw new RangeError(`tensor ${name} of shape ${formatShape(shape)} has ${length} elements`);
  }
}

/** Compares by code units, independent of the locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
