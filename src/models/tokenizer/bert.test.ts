import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { z } from "zod";
import { openBertTokenizer } from "./index.js";

const folder = join(process.cwd(), "test", "fixtures", "bert-tokenizer");
/** Ids from transformers 4.57's BertTokenizer with the fixture's vocabulary. */
const golden = z
  .array(z.object({ text: z.string(), input_ids: z.array(z.number()), length: z.number() }))
  .parse(JSON.parse(readFileSync(join(folder, "golden.json"), "utf8")));

describe("openBertTokenizer", () => {
  let own = "";
  before(async () => {
    own = await mkdtemp(join(tmpdir(), "softrepa-bert-"));
  });
  after(() => rm(own, { recursive: true, force: true }));

  it("returns transformers' ids", async () => {
    const tokenizer = await openBertTokenizer(folder, 35);
    for (const { text, input_ids, length } of golden) {
      const encoded = tokenizer.encode(text);
      assert.deepEqual(encoded.ids, input_ids, text);
      assert.equal(encoded.length, length, text);
    }
  });

  it("reads tokenizer.json without a vocab.txt", async () => {
    const tokens = readFileSync(join(folder, "vocab.txt"), "utf8").trimEnd().split("\n");
    const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
    await writeFile(join(own, "tokenizer.json"), JSON.stringify({ model: { type: "WordPiece", vocab } }));
    const tokenizer = await openBertTokenizer(own, 35);
    assert.deepEqual(tokenizer.encode(golden[0].text).ids, golden[0].input_ids);
    assert.equal(tokenizer.largestId, tokens.length - 1);
  });

  it("names missing files", async () => {
    await rm(join(own, "tokenizer.json"), { force: true });
    await assert.rejects(() => openBertTokenizer(own, 35), /neither vocab\.txt nor tokenizer\.json/);
    await writeFile(join(own, "vocab.txt"), "[PAD]\n[CLS]\ncat\n");
    await assert.rejects(() => openBertTokenizer(own, 35), /vocab\.txt has no entry for the special token \[SEP\]/);
  });
});
