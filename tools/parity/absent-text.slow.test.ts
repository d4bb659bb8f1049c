import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { floatTensor } from "#softrepa/core/tensor.js";
import { foldAbsentText } from "./absent-text.js";

describe("goldens without T5", () => {
  const whole = floatTensor([2, 4, 2], Float32Array.of(1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0));
  it("are truncated to the pipeline's rows, per prompt", () => {
    const folded = foldAbsentText("prompt_embeds", whole, [2, 2]);
    assert.deepEqual(folded, floatTensor([2, 2, 2], Float32Array.of(1, 2, 0, 0, 3, 4, 0, 0)));
  });
  it("are unchanged if the shapes agree or have no rows", () => {
    assert.equal(foldAbsentText("prompt_embeds", whole, [4, 2]), whole);
    assert.equal(foldAbsentText("time_ids", whole, undefined), whole);
    const pooled = floatTensor([2, 4]);
    assert.equal(foldAbsentText("pooled", pooled, [3]), pooled);
  });
  it("are rejected if removed rows are not zero", () => {
    for (const place of [3, 5, 14]) {
      const data = whole.data.slice();
      data[place] = 1;
      assert.throws(() => foldAbsentText("prompt_embeds", floatTensor([2, 4, 2], data), [2, 2]), {
        name: "InputError",
        message: /prompt_embeds of \[4,2\] is not zero beyond the pipeline's \[2,2\]/,
      });
    }
  });
});
