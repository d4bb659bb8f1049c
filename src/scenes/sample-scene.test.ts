import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "../core/random.js";
import { render } from "./render.js";
import { cropped, isCropped, sampleScene } from "./sample-scene.js";
import { apart, categories, edgeMargin, imageSize, objectAt, relationsBetween, type Scene } from "./scene.js";
import type { Split } from "./splits.js";
import { expectationOf, verify } from "./verify.js";

function sampled(count: number, seed: number): Scene[] {
  const generator = new Generator(seed);
  const splits: Split[] = ["train", "held-out"];
  return Array.from({ length: count }, (_, index) => sampleScene(splits[index % 2] ?? "train", generator));
}

describe("sampled scenes", () => {
  it("are the same for the same seed", () => {
    assert.deepEqual(sampled(50, 3), sampled(50, 3));
    assert.notDeepEqual(sampled(50, 3), sampled(50, 4));
  });

  it("keep their objects apart and inside the image", () => {
    for (const { objects } of sampled(3000, 5)) {
      objects.forEach((object, index) => {
        assert.ok(Math.min(object.x, object.y) - object.radius >= edgeMargin);
        assert.ok(Math.max(object.x, object.y) + object.radius <= imageSize - edgeMargin);
        for (const other of objects.slice(0, index)) assert.ok(apart(object, other));
      });
    }
  });

  it("hold what their category says", () => {
    for (const scene of sampled(3000, 6)) {
      const { category, objects, relation } = scene;
      const kinds = new Set(objects.map(({ shape, colour }) => `${colour} ${shape}`));
      const counts = { single: [1], colours: [1], two: [2], position: [2], attribution: [2], counting: [2, 3, 4] };
      assert.ok(counts[category].includes(objects.length), category);
      if (category === "counting") assert.equal(kinds.size, 1);
      if (category === "two" || category === "position")
        assert.notEqual(objectAt(scene, 0).shape, objectAt(scene, 1).shape);
      if (category === "attribution") {
        assert.notEqual(objectAt(scene, 0).shape, objectAt(scene, 1).shape);
        assert.notEqual(objectAt(scene, 0).colour, objectAt(scene, 1).colour);
      }
      assert.equal(relation !== null, category === "position");
      for (const slack of relation ? [0, 4, 8] : []) {
        assert.deepEqual(relationsBetween(objectAt(scene, 0), objectAt(scene, 1), slack), [relation]);
      }
    }
  });

  it("come from all categories alike", () => {
    const scenes = sampled(6000, 7);
    for (const category of categories) {
      const share = scenes.filter((scene) => scene.category === category).length / 1000;
      assert.ok(Math.abs(share - 1) < 0.15, `${category} ${share}`);
    }
  });

  it("under a careless frame lose an object to its edge, so that they are not as expected", () => {
    const generator = new Generator(8);
    let stillRight = 0;
    for (const scene of sampled(600, 9)) {
      assert.ok(!isCropped(scene));
      const cut = cropped(scene, generator);
      assert.ok(isCropped(cut));
      const [dx, dy] = [objectAt(cut, 0).x - objectAt(scene, 0).x, objectAt(cut, 0).y - objectAt(scene, 0).y];
      assert.ok(dx === 0 || dy === 0);
      cut.objects.forEach((object, index) => {
        const before = objectAt(scene, index);
        assert.deepEqual({ ...object, x: 0, y: 0 }, { ...before, x: 0, y: 0 });
        assert.ok(Math.abs(object.x - before.x - dx) < 1e-9 && Math.abs(object.y - before.y - dy) < 1e-9);
      });
      assert.ok(verify(render(scene), expectationOf(scene)).correct);
      if (verify(render(cut), expectationOf(scene)).correct) stillRight++;
    }
    assert.ok(stillRight < 30, `${stillRight} of 600`);
  });
});
