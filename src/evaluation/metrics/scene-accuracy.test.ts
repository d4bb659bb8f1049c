import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { InputError } from "../../core/errors.js";
import { savePng } from "../../data/png.js";
import { render } from "../../scenes/render.js";
import type { Scene } from "../../scenes/scene.js";
import { sceneVerifier } from "./scene-accuracy.js";

const star = { shape: "star", colour: "red", size: "small", radius: 8 } as const;
const scene: Scene = {
  category: "counting",
  ground: "grey",
  relation: null,
  objects: [
    { ...star, x: 14, y: 14 },
    { ...star, x: 46, y: 14 },
    { ...star, x: 30, y: 46 },
  ],
};

describe("accuracy of scenes", () => {
  let root = "";
  const at = (name: string) => ({ file: join(root, name), hash: "", prompt: "three red stars" });
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "softrepa-scenes-"));
    const image = render(scene);
    await savePng(join(root, "scene.png"), image, {});
    await savePng(join(root, "wide.png"), { ...image, shape: [3, 32, 128] }, {});
  });
  after(() => rm(root, { recursive: true, force: true }));

  it("reads the question off the prompt of images of a scene's size", async () => {
    const right = { correct: true, reason: "as expected", category: "counting" };
    const images = [
      at("scene.png"),
      { ...at("scene.png"), prompt: "two red stars" },
      { ...at("scene.png"), prompt: "three red cats" },
      at("wide.png"),
    ];
    const done: number[] = [];
    const verdicts = await sceneVerifier.verdicts(images, { onProgress: (count) => done.push(count) });
    assert.deepEqual([verdicts[0], verdicts[2], verdicts[3]], [right, null, null]);
    assert.match(verdicts[1]?.reason ?? "", /^expected 2 red stars, found 3/);
    assert.deepEqual(done, [1, 2, 3, 4]);
  });

  it("prefers the expectation in the metadata, and names one that is damaged", async () => {
    const expectation = {
      category: "counting",
      objects: [{ shape: "star", colour: "blue", count: 3 }],
      relation: null,
    };
    const [verdict] = await sceneVerifier.verdicts([{ ...at("scene.png"), metadata: { expectation } }], {});
    assert.equal(verdict?.correct, false);
    const damaged = { ...at("scene.png"), metadata: { expectation: { category: "two" } } };
    await assert.rejects(
      () => sceneVerifier.verdicts([damaged], {}),
      (error) => error instanceof InputError && /scene\.png: "expectation\.objects"/.test(error.message),
    );
    await assert.rejects(
      () => sceneVerifier.verdicts([{ ...at("wide.png"), metadata: { expectation } }], {}),
      /reads images of 64 x 64; .*wide\.png has 128 x 32/,
    );
  });
});
