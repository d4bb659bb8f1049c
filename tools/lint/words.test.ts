import assert from "node:assert/strict";
import { test } from "node:test";
import { oldWords, texts } from "./words.js";

test("old wordings stay out", () => {
  assert.deepEqual(oldWords(texts()), []);
});

test("an old word outside of what is pending, and a pending entry without one, are faults", () => {
  const all = [
    { path: "src/a/x.ts", text: "one\nconst tokensAPair = foretold;" },
    { path: "src/b/y.ts", text: "// The pictures." },
    { path: "src/c/words.ts", text: '"a picture of"' },
  ];
  assert.deepEqual(oldWords(all, ["src/b", "src/c"]), [
    'src/a/x.ts:2: "foretold" (estimate)',
    'src/a/x.ts:2: "sAPair" (...Per...)',
    "src/c has no old words; remove it from tools/lint/words.ts",
  ]);
});
