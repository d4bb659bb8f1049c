import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { CharsMap } from "./charsmap.js";

const { charsmap, cases } = z
  .object({ charsmap: z.string(), cases: z.array(z.tuple([z.string(), z.string()])) })
  .parse(JSON.parse(readFileSync(new URL("../../../test/fixtures/tokenizer/charsmap.json", import.meta.url), "utf8")));

describe("character table of a sentencepiece model, against the tokenizers crate", () => {
  const map = new CharsMap(charsmap, "tokenizer.json");
  for (const [text, expected] of cases) {
    it(JSON.stringify(text), () => assert.equal(map.normalize(text), expected));
  }
  it("rejects a damaged table", () => {
    const bytes = Buffer.from(charsmap, "base64");
    for (const damaged of [bytes.subarray(0, 2), bytes.subarray(0, 100), Buffer.alloc(8)]) {
      assert.throws(() => new CharsMap(damaged.toString("base64"), "x/tokenizer.json"), {
        name: InputError.name,
        message: /^x\/tokenizer\.json: /,
      });
    }
  });
});
