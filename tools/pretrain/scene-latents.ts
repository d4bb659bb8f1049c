/**
 * @file The scenes that the transformer is trained on with their latents, in shards that are made as training needs them and kept in files. The
 * scenes of a shard follow from its number alone.
 */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Generator } from "#softrepa/core/random.js";
import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import type { Scene } from "#softrepa/scenes/scene.js";
import { openSafetensors, readTensor, writeSafetensors } from "#softrepa/weights/safetensors.js";
import { drawTrainingScene } from "./mixture.js";
import { seedOf } from "./seed.js";

/** Scenes with the latents that the transformer sees. */
export interface EncodedScenes {
  readonly count: number;
  readonly at: (index: number) => { readonly scene: Scene; readonly latents: Float32Array };
}

/** What the transformer sees is (mean - shift) * scale: mean 0 and variance 1 over all numbers. */
export interface LatentScale {
  readonly shift: number;
  readonly scale: number;
}

interface Shard {
  readonly sceneAt: (index: number) => Scene;
  /** [shardSize, channels, side, side], scaled. */
  readonly latents: FloatTensor;
}

/** The scale is measured on the first shards. */
const shardsOfScale = 4;

export interface SceneSource {
  readonly folder: string;
  /** Scenes of a shard. */
  readonly shardSize: number;
  /** The means of the latents of scenes, unscaled; asked of shards that the folder has not. */
  readonly encode: (scenes: readonly Scene[]) => Promise<FloatTensor>;
}

export class SceneLatents {
  private constructor(
    private readonly source: SceneSource,
    readonly scale: LatentScale,
    private readonly shards: Shard[],
  ) {}

  static async open(source: SceneSource): Promise<SceneLatents> {
    const first: { scenes: Scene[]; latents: FloatTensor }[] = [];
    for (let index = 0; index < shardsOfScale; index++) first.push(await readShard(source, index));
    const scale = measureScale(first.map(({ latents }) => latents));
    const shards = first.map((shard) => scaled(shard, scale));
    return new SceneLatents(source, scale, shards);
  }

  /** The first `shards` shards. */
  async first(shards: number): Promise<EncodedScenes> {
    const { shardSize } = this.source;
    while (this.shards.length < shards) {
      this.shards.push(scaled(await readShard(this.source, this.shards.length), this.scale));
    }
    return {
      count: shards * shardSize,
      at: (index) => {
        const { sceneAt, latents } = this.shards[Math.floor(index / shardSize)];
        const place = index % shardSize;
        const size = latents.data.length / shardSize;
        return { scene: sceneAt(place), latents: latents.data.subarray(place * size, (place + 1) * size) };
      },
    };
  }
}

async function readShard({ folder, shardSize, encode }: SceneSource, index: number) {
  const random = new Generator(seedOf(`scenes ${index}`));
  const scenes = Array.from({ length: shardSize }, () => drawTrainingScene(random));
  const file = join(folder, `${String(index).padStart(4, "0")}.safetensors`);
  const isKept = await stat(file).catch(() => null);
  const kept = isKept ? (await openSafetensors(file)).tensors.get("latents") : undefined;
  if (kept) return { scenes, latents: (await readTensor(kept)) as FloatTensor };
  const latents = await encode(scenes);
  await writeSafetensors(file, new Map([["latents", latents]]));
  return { scenes, latents };
}

function scaled({ scenes, latents }: { scenes: readonly Scene[]; latents: FloatTensor }, scale: LatentScale): Shard {
  const data = latents.data.map((x) => (x - scale.shift) * scale.scale);
  return { sceneAt: packed(scenes), latents: floatTensor(latents.shape, data) };
}

/** Scenes as bytes: as objects, all of them would be visited by every collection of garbage, a fifth of the time of training. */
function packed(scenes: readonly Scene[]): (index: number) => Scene {
  const lines = scenes.map((scene) => Buffer.from(JSON.stringify(scene)));
  const ends = new Float64Array(lines.length);
  let end = 0;
  for (const [index, { length }] of lines.entries()) {
    end += length;
    ends[index] = end;
  }
  const bytes = Buffer.concat(lines);
  return (index) => JSON.parse(bytes.toString("utf8", index === 0 ? 0 : ends[index - 1], ends[index])) as Scene;
}

function measureScale(shards: readonly FloatTensor[]): LatentScale {
  let [sum, squares, count] = [0, 0, 0];
  for (const { data } of shards) {
    count += data.length;
    for (const x of data) {
      sum += x;
      squares += x * x;
    }
  }
  const shift = sum / count;
  const deviation = Math.sqrt(squares / count - shift * shift);
  // Four digits, as they stand in the configuration.
  return { shift: Number(shift.toFixed(4)), scale: Number((1 / deviation).toFixed(4)) };
}
