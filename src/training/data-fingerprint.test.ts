import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { it } from "node:test";
import { imageFile } from "../data/captioned-image.js";
import { dataFingerprint } from "./data-fingerprint.js";

const set = (path: string, names: readonly string[], caption = "a cat", weight?: number) => ({
  path,
  items: names.map((name) => ({ ...imageFile(join(path, name)), captions: [caption] })),
  weight,
});

it("depends on names, captions, weights and order, but not on the location of the data", () => {
  const base = dataFingerprint([set("photos", ["a.png", "b/c.png"])]);
  assert.match(base, /^[0-9a-f]{64}$/);
  for (const path of [resolve("photos"), "/elsewhere/other", "./photos/"]) {
    assert.equal(dataFingerprint([set(path, ["a.png", "b/c.png"])]), base, path);
  }
  const others = [
    [set("photos", ["a.png", "b/d.png"])],
    [set("photos", ["b/c.png", "a.png"])],
    [set("photos", ["a.png", "b/c.png"], "a dog")],
    [set("photos", ["a.png", "b/c.png"], "a cat", 0.5)],
    [set("photos", ["a.png"])],
    [set("photos", ["a.png"]), set("more", ["b/c.png"])],
    [set("photos", ["c.png", "b/a.png"])],
  ].map(dataFingerprint);
  assert.equal(new Set([base, ...others]).size, others.length + 1);
});
