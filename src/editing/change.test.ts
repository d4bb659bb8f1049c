import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Generator } from "../core/random.js";
import { floatTensor } from "../core/tensor.js";
import { changeNotice } from "./change.js";

describe("changeNotice", () => {
  // Large enough that two random samples hardly correlate.
  const shape = [1, 2, 32, 32];
  const random = new Generator(0);
  const [source, other] = [random.normal(shape), random.normal(shape)];
  const near = (weight: number) =>
    floatTensor(
      shape,
      source.data.map((x, i) => x + weight * (other.data[i] ?? 0)),
    );
  const mask = floatTensor(
    [1, 1, 32, 32],
    Float32Array.from({ length: 1024 }, (_, i) => (i < 4 ? 1 : 0)),
  );
  const flow = { settings: { nMax: 33 } };

  it("names the option that changes more, or less", () => {
    assert.equal(changeNotice(source, near(0.001), null, flow), "the edit changed nothing: raise `nMax`");
    assert.equal(changeNotice(source, other, null, flow), "the edit changed everything: lower `nMax`");
    const features = { settings: { features: 0.8, attention: 0.5 } };
    assert.equal(changeNotice(source, source, null, features), "the edit changed nothing: lower `features`");
    assert.equal(changeNotice(source, source, null, { settings: { steps: 5 } }), "the edit changed nothing");
  });

  it("returns undefined for other edits", () => {
    assert.equal(changeNotice(source, near(0.3), null, flow), undefined);
  });

  it("compares inside the mask, where an edit may change everything", () => {
    assert.equal(changeNotice(source, other, mask, flow), undefined);
    const inside = source.data.map((x, i) => (i % 1024 < 4 ? x + 0.1 : x));
    assert.equal(changeNotice(source, floatTensor(shape, inside), mask, flow), undefined);
    assert.equal(changeNotice(source, source, mask, flow), "the edit changed nothing: raise `nMax`");
  });
});
