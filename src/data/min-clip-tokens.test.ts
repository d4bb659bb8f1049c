import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openClipTokenizer } from "../models/tokenizer/index.js";
import { repetitions } from "../testing/core/repetitions.js";
import { pipelineFolder } from "../testing/pipelines/support.js";
import { minClipTokens } from "./min-clip-tokens.js";

test("is a lower bound of CLIP's token count", async () => {
  const tokenizer = await openClipTokenizer(join(pipelineFolder("sd3"), "tokenizer"));
  const words = [
    "cat",
    "dog's",
    "42",
    "!!",
    "ünï",
    "don’t",
    "...",
    "<|endoftext|>",
    "a-b",
    "&amp;",
    "&#39;",
    "e\u0301",
    "猫",
  ];
  const caption = fc.array(fc.oneof(fc.constantFrom(...words, " "), fc.string()), { maxLength: 30 });
  fc.assert(
    fc.property(caption, (parts) => {
      const { length, truncated } = tokenizer.encode(parts.join(""));
      if (truncated === null) assert.ok(minClipTokens(parts.join("")) <= length);
    }),
    { numRuns: repetitions(2000) },
  );
  assert.equal(minClipTokens("a cat, on 2 mats"), 7);
});
