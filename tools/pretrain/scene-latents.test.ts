import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import type { Scene } from "#softrepa/scenes/scene.js";
import { SceneLatents } from "./scene-latents.js";

const shardSize = 64;

/** In place of an autoencoder: what tells scenes apart. */
function encode(scenes: readonly Scene[]): Promise<FloatTensor> {
  const values = scenes.flatMap(({ objects }) => [objects[0]?.x ?? 0, objects[0]?.y ?? 0]);
  return Promise.resolve(floatTensor([scenes.length, 2, 1, 1], Float32Array.from(values)));
}

describe("scenes with latents", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "softrepa-latents-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("belong together, have mean 0 and variance 1, and are encoded once", async () => {
    const encoded: number[] = [];
    const counting = (scenes: readonly Scene[]) => {
      encoded.push(scenes.length);
      return encode(scenes);
    };
    const made = await SceneLatents.open({ folder, shardSize, encode: counting });
    const scenes = await made.first(5);
    assert.equal(scenes.count, 5 * shardSize);
    assert.deepEqual(encoded, Array(5).fill(shardSize));
    const { shift, scale } = made.scale;
    let [sum, squares] = [0, 0];
    for (let index = 0; index < 4 * shardSize; index++) {
      for (const x of scenes.at(index).latents) [sum, squares] = [sum + x, squares + x * x];
    }
    assert.ok(Math.abs(sum / (8 * shardSize)) < 1e-3 && Math.abs(squares / (8 * shardSize) - 1) < 1e-2);
    for (const index of [0, shardSize - 1, shardSize, 5 * shardSize - 1]) {
      const { scene, latents } = scenes.at(index);
      assert.ok(Math.abs(latents[0] / scale + shift - (scene.objects[0]?.x ?? 0)) < 1e-3);
    }

    const again = await (
      await SceneLatents.open({ folder, shardSize, encode: () => assert.fail("encoded again") })
    ).first(5);
    for (const index of [7, 5 * shardSize - 1]) assert.deepEqual(again.at(index), scenes.at(index));
    assert.notDeepEqual(scenes.at(3).scene, scenes.at(shardSize + 3).scene);
  });
});
