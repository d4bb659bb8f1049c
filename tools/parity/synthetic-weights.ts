/** @file Generates weights that the goldens do not include from the weights' names, in a file that a graph can map. */

import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Shape, sizeOf } from "#softrepa/core/tensor.js";
import { syntheticWeight } from "#softrepa/testing/synthetic/weights.js";
import { openSafetensors } from "#softrepa/weights/safetensors.js";
import type { WeightSource } from "#softrepa/weights/source.js";

/**
 * Writes synthetic weights (as the goldens' README defines them), passes them to `use` and removes them. Weights of rank 4 are
 * multiplied by `convolutionGain`. Written one tensor at a time, because a whole network may not fit in memory twice.
 */
export async function withSyntheticWeights<T>(
  shapes: ReadonlyMap<string, Shape>,
  convolutionGain: number,
  use: (source: WeightSource) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "softrepa-synthetic-"));
  try {
    const file = join(folder, "model.safetensors");
    const handle = await open(file, "wx");
    try {
      let end = 0;
      const entries = [...shapes].map(([name, shape]) => {
        const begin = end;
        end += 4 * sizeOf(shape);
        return [name, { dtype: "F32", shape, data_offsets: [begin, end] }];
      });
      const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
      const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, 0x20);
      header.writeBigUInt64LE(BigInt(header.length - 8));
      json.copy(header, 8);
      await handle.writeFile(header);
      for (const [name, shape] of shapes) {
        const values = syntheticWeight(name, shape);
        if (shape.length === 4 && convolutionGain !== 1) {
          // Rounded once, as in the goldens.
          for (let i = 0; i < values.length; i++) values[i] *= convolutionGain;
        }
        await handle.writeFile(new Uint8Array(values.buffer));
      }
    } finally {
      await handle.close();
    }
    return await use(await openSafetensors(file));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
