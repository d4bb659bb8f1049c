/**
 * @file Checkpoints of the original layout for tests, generated from the manifests in test/fixtures/single-file, which also
 * describe the results of diffusers' converters.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { z } from "zod";
import { unreachable } from "../../core/errors.js";
import { concatRows, type FloatTensor, floatTensor, type Shape, sizeOf, type Tensor } from "../../core/tensor.js";
import { float32ToFloat16 } from "../../weights/half.js";
import { readTensor } from "../../weights/safetensors.js";
import type { StoredTensor, WeightSource } from "../../weights/source.js";
import { fixture } from "../weights/support.js";

export const originalFamilies = ["sd15", "sdxl", "sd3", "sd35"] as const;
export type OriginalName = (typeof originalFamilies)[number];

const shape = z.array(z.int().nonnegative());

const manifestSchema = z.object({
  /** Shapes under the original keys. */
  original: z.record(z.string(), shape),
  /** Further keys of such files that are ignored. */
  ignored: z.record(z.string(), shape),
  /** Per network, diffusers' configuration, and shape and digest of each tensor by diffusers' key. */
  components: z.record(
    z.string(),
    z.object({
      config: z.record(z.string(), z.unknown()),
      tensors: z.record(z.string(), z.tuple([shape, z.string()])),
    }),
  ),
});

export type Manifest = z.infer<typeof manifestSchema>;

export function readManifest(family: OriginalName): Manifest {
  return manifestSchema.parse(JSON.parse(readFileSync(fixture("single-file", `${family}.json`), "utf8")));
}

/**
 * The values of an original key: k / 1024 with |k| <= 127 from a hash, plus 1 for the weights of norms, which float16
 * represents exactly. The manifests' digests are of these values.
 */
export function originalValues(name: string, shape: Shape): FloatTensor {
  const seed = crc32(name);
  const offset = shape.length === 1 && name.endsWith("weight") ? 1 : 0;
  const tensor = floatTensor(shape);
  for (let index = 0; index < tensor.data.length; index++) {
    let x = (index + seed) >>> 0;
    x ^= x >>> 16;
    x = Math.imul(x, 0x7feb352d);
    x ^= x >>> 15;
    x = Math.imul(x, 0x846ca68b);
    x ^= x >>> 16;
    tensor.data[index] = (((x >>> 16) % 255) - 127) / 1024 + offset;
  }
  return tensor;
}

/** All tensors of a manifest's file, including the ignored keys. */
export function originalTensors({ original, ignored }: Manifest, dtype: "float32" | "float16"): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of Object.entries({ ...original, ...ignored })) {
    const values = originalValues(name, shape);
    tensors.set(name, dtype === "float32" ? values : { dtype, shape, data: float32ToFloat16(values.data) });
  }
  return tensors;
}

/** A source with shapes only, without a file. */
export function shapesOnly(shapes: Readonly<Record<string, Shape>>, origin = "shapes"): WeightSource {
  let offset = 0;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, shape] of Object.entries(shapes)) {
    const length = 4 * sizeOf(shape);
    tensors.set(name, { name, dtype: "F32", shape, file: "/nowhere", offset, length });
    offset += length;
  }
  return { origin, tensors, metadata: {} };
}

/** Sorted names of all tensors of a source. */
export function namesOf({ tensors, arranged }: WeightSource): string[] {
  return [...tensors.keys(), ...(arranged?.keys() ?? [])].sort();
}

/** The values of a tensor of a source, arranged on the host instead of in a graph. */
export async function valuesOf({ tensors, arranged }: WeightSource, name: string): Promise<FloatTensor> {
  const tensor = arranged?.get(name);
  if (tensor === undefined) return readTensor(tensors.get(name) as StoredTensor);
  switch (tensor.kind) {
    case "joined":
      return concatRows(await Promise.all(tensor.parts.map(readTensor)));
    case "transposed": {
      const matrix = await readTensor(tensor.matrix);
      const [rows, columns] = matrix.shape;
      const data = matrix.data.map((_, index) => matrix.data[(index % rows) * columns + Math.floor(index / rows)]);
      return floatTensor([columns, rows], data);
    }
    case "identity": {
      const { size } = tensor;
      const data = Float32Array.from({ length: size * size }, (_, index) => (index % (size + 1) === 0 ? 1 : 0));
      return floatTensor([size, size], data);
    }
    default:
      return unreachable(tensor);
  }
}

/** Digest of a tensor's values, as in the manifests. */
export function digestOf({ data }: FloatTensor): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return createHash("sha256").update(bytes).digest("hex").slice(0, 12);
}
