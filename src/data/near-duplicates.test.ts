import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { repetitions } from "../testing/core/repetitions.js";
import { normalCaption } from "./caption.js";
import { nearDuplicates } from "./near-duplicates.js";

test("normalCaption ignores case, punctuation and articles, but not order and words", () => {
  const same = ["A cat, on the mat.", "a cat on a mat", "cat on mat!", "ＣＡＴ on mat"];
  assert.equal(new Set(same.map(normalCaption)).size, 1);
  const different = ["a cat left of a dog", "a dog left of a cat", "cats", "cat", "1.5 m", "15 m", "cat 😀", "cat 🐶"];
  assert.equal(new Set(different.map(normalCaption)).size, different.length);
  assert.deepEqual(["The", "...", " ! "].map(normalCaption), ["The", "...", "!"]);
});

test("groups nearly equal captions", () => {
  const captions = [
    "a brown dog runs over a green field after a yellow ball in the sun",
    "a red circle",
    "A red circle.",
    "the brown dog runs over a green field after a yellow ball in the evening sun",
    "a blue circle",
    "red circle",
    "a dog left of a cat",
    "a cat left of a dog",
  ];
  assert.deepEqual(nearDuplicates(captions, 0.7), {
    groups: [
      [1, 2, 5],
      [0, 3],
    ],
    complete: true,
  });
  assert.deepEqual(nearDuplicates(captions, 1).groups, [[1, 2, 5]]);
  assert.deepEqual(nearDuplicates([], 0.8), { groups: [], complete: true });
});

/** The definition, pair by pair. */
function slowGroups(captions: readonly string[], threshold: number): number[][] {
  const sets = captions.map((caption) => {
    const words = ["", ...normalCaption(caption).split(" "), ""];
    return new Set(words.slice(1).map((word, i) => `${words[i]} ${word}`));
  });
  const group = captions.map((_, index) => index);
  for (const [i, a] of sets.entries()) {
    for (const [j, b] of sets.entries()) {
      const common = [...a].filter((pair) => b.has(pair)).length;
      if (common / (a.size + b.size - common) < threshold || group[i] === group[j]) continue;
      const [to, from] = [Math.min(group[i], group[j]), Math.max(group[i], group[j])];
      for (const [k, value] of group.entries()) if (value === from) group[k] = to;
    }
  }
  const members = captions.map((_, root) => captions.flatMap((__, k) => (group[k] === root ? [k] : [])));
  return members.filter(({ length }) => length > 1).sort((a, b) => b.length - a.length || a[0] - b[0]);
}

test("finds the same groups as comparing every pair", () => {
  const word = fc.constantFrom("red", "blue", "dog", "cat", "on", "left", "a", "the");
  const caption = fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => words.join(" "));
  const thresholds = fc.constantFrom(0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 2 / 3);
  fc.assert(
    fc.property(fc.array(caption, { maxLength: 40 }), thresholds, (captions, threshold) => {
      assert.deepEqual(nearDuplicates(captions, threshold).groups, slowGroups(captions, threshold));
    }),
    { numRuns: repetitions(500) },
  );
});
