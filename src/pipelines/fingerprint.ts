/** @file A fast fingerprint of a model's denoiser, to check which model soft tokens were trained for. */

import { createHash } from "node:crypto";
import { unreachable } from "../core/errors.js";
import { decode, storedSize } from "../weights/decode.js";
import { float32ToFloat16 } from "../weights/half.js";
import { withFile } from "../weights/read-bytes.js";
import { type ArrangedTensor, type StoredTensor, shapeOf, type WeightSource } from "../weights/source.js";

/** Values hashed from the start of each tensor. Fine-tuning changes all of them. */
const sampled = 256;

/**
 * SHA-256 (hexadecimal) over the name, shape and first values of every tensor, rounded to float16. Folders and single files of
 * a model have the same fingerprint, and so do float32 weights and their fp16 variant; fine-tuned models have another.
 */
export async function weightsFingerprint(source: WeightSource): Promise<string> {
  const hash = createHash("sha256");
  const names = [...new Set([...source.tensors.keys(), ...(source.arranged?.keys() ?? [])])].sort();
  for (const name of names) {
    const shape = shapeOf(source, name) ?? [];
    hash.update(`${name} ${shape.join("x")}\n`);
    const arranged = source.arranged?.get(name);
    const stored = source.tensors.get(name);
    const values = arranged ? await startOfArranged(arranged) : stored && (await startOf(stored, sampled));
    if (values === undefined) continue;
    hash.update(new Uint8Array(float32ToFloat16(values.slice(0, sampled)).buffer));
  }
  return hash.digest("hex");
}

async function startOf(stored: StoredTensor, count: number): Promise<Float32Array> {
  const length = Math.min(stored.length, count * storedSize[stored.dtype]);
  const bytes = await withFile(stored.file, (open) => open.read(stored.offset, length, `tensor ${stored.name}`));
  return decode(stored.dtype, bytes);
}

/** The first values in the order of the arranged tensor. */
async function startOfArranged(tensor: ArrangedTensor): Promise<Float32Array> {
  switch (tensor.kind) {
    case "joined": {
      const parts: Float32Array[] = [];
      let count = 0;
      for (const part of tensor.parts) {
        if (count >= sampled) break;
        const values = await startOf(part, sampled - count);
        parts.push(values);
        count += values.length;
      }
      return Float32Array.from(parts.flatMap((part) => [...part]));
    }
    case "transposed": {
      const [rows = 0, columns = 0] = tensor.matrix.shape;
      const all = await startOf(tensor.matrix, rows * columns);
      return Float32Array.from({ length: Math.min(sampled, all.length) }, (_, index) => {
        const column = Math.floor(index / rows);
        const row = index % rows;
        return all[row * columns + column] ?? 0;
      });
    }
    case "identity":
      return Float32Array.from({ length: Math.min(sampled, tensor.size ** 2) }, (_, index) =>
        index % (tensor.size + 1) === 0 ? 1 : 0,
      );
    default:
      return unreachable(tensor);
  }
}
