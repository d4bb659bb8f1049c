import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "#softrepa/core/random.js";
import { nearMiss } from "#softrepa/scenes/near-miss.js";
import { render } from "#softrepa/scenes/render.js";
import { sampleScene } from "#softrepa/scenes/sample-scene.js";
import { categories } from "#softrepa/scenes/scene.js";
import { expectationOf, verify } from "#softrepa/scenes/verify.js";
import { disturbances } from "#softrepa/testing/scenes/disturb.js";
import { renderShaded, renderShadedInto } from "./shaded.js";

describe("shaded images", () => {
  it("are read by the verifier at least 99% of the time, disturbed and beside near misses", (context) => {
    const generator = new Generator(2001);
    const kinds = Object.values(disturbances);
    const rounds = 50;
    let [allAccepted, allRejected] = [0, 0];
    for (const category of categories) {
      let [accepted, rejected] = [0, 0];
      for (let round = 0; round < rounds; round++) {
        const disturb = kinds[round % kinds.length];
        const scene = sampleScene(round % 4 < 2 ? "train" : "held-out", generator, category);
        const expectation = expectationOf(scene);
        if (verify(disturb(renderShaded(scene), generator), expectation).correct) accepted++;
        const other = nearMiss(scene, generator).scene;
        if (!verify(disturb(renderShaded(other), generator), expectation).correct) rejected++;
      }
      context.diagnostic(`${category}: ${accepted} and ${rejected} of ${rounds}`);
      [allAccepted, allRejected] = [allAccepted + accepted, allRejected + rejected];
    }
    const least = 0.99 * categories.length * rounds;
    assert.ok(allAccepted >= least && allRejected >= least, `${allAccepted}, ${allRejected}`);
  });

  it("stay within [-1, 1], have shadows and light, and fill one place of a batch alone", () => {
    const scene = sampleScene("train", new Generator(3), "attribution");
    const image = renderShaded(scene);
    assert.ok(image.data.every((value) => value >= -1 && value <= 1));
    const flat = render({ ...scene, objects: [] }).data;
    const ground = renderShaded({ ...scene, objects: [] }).data;
    assert.ok(ground[0] > flat[0] && ground[4095] < flat[4095]);
    assert.ok(image.data.some((value, index) => value < ground[index] - 0.02));
    const batch = new Float32Array(3 * image.data.length).fill(7);
    renderShadedInto(scene, batch, image.data.length);
    assert.deepEqual(batch.subarray(image.data.length, 2 * image.data.length), image.data);
    assert.ok(
      [...batch.subarray(0, image.data.length), ...batch.subarray(2 * image.data.length)].every((x) => x === 7),
    );
  });
});
