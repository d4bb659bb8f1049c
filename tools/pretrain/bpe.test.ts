import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openClipTokenizer } from "#softrepa/models/tokenizer/clip.js";
import { vocabulary } from "#softrepa/scenes/caption.js";
import { learnBytePairs } from "./bpe.js";
import { bytePairs, promptLength } from "./configs.js";
import { writeTokenizers } from "./folder.js";

const folder = await mkdtemp(join(tmpdir(), "softrepa-bpe-"));
after(() => rm(folder, { recursive: true, force: true }));

describe("a learned byte-pair vocabulary", async () => {
  await writeTokenizers(folder);
  const tokenizer = await openClipTokenizer(join(folder, "tokenizer_2"));

  it("makes one token of every word, comma and colon", () => {
    const start = bytePairs.vocab["<|startoftext|>"];
    const end = bytePairs.vocab["<|endoftext|>"];
    for (const word of [...vocabulary, ",", ":"]) {
      const { ids, truncated } = tokenizer.encode(word);
      assert.equal(truncated, null);
      assert.deepEqual([ids[0], ...ids.slice(2)], [start, ...new Array(promptLength - 2).fill(end)], word);
      assert.equal(ids[1], bytePairs.vocab[`${word}</w>`], word);
    }
  });

  it("spells what it does not know, and cuts what is too long", () => {
    const { ids } = tokenizer.encode("zebra é");
    assert.equal(ids.filter((id) => id === bytePairs.vocab.z).length, 1);
    assert.ok(ids.every((id) => Number.isInteger(id)));
    assert.notEqual(tokenizer.encode("red circle ".repeat(9)).truncated, null);
  });

  it("gives every token an id of its own, and depends on nothing but the words", () => {
    const ids = Object.values(bytePairs.vocab);
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(Math.max(...ids), ids.length - 1);
    assert.deepEqual(learnBytePairs(["ab", "abc"]), learnBytePairs(["ab", "abc"]));
    assert.deepEqual(learnBytePairs(["ab", "abc"]).merges, ["a b", "a b</w>", "ab c</w>"]);
  });
});
