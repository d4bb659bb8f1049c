import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { folderOf, inputError } from "../testing/data/data-folders.js";
import { readLines } from "./text-lines.js";

async function linesOf(file: string, limit: number): Promise<(string | null)[]> {
  const lines: (string | null)[] = [];
  for await (const { number, bytes } of readLines(file, limit)) {
    assert.equal(number, lines.length + 1);
    lines.push(bytes && Buffer.from(bytes).toString("latin1"));
  }
  return lines;
}

test("yields lines unchanged, also across chunks, and null for those over the limit", async (t) => {
  const file = join(await folderOf(t, {}), "lines");
  // 65536 is the size of a chunk.
  const line = fc.tuple(
    fc.constantFrom(0, 1, 5, 9, 10, 11, 65530, 65535, 65536, 65537, 200_000),
    fc.constantFrom("x", "é"),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 8 }),
      fc.boolean(),
      fc.constantFrom(10, 70_000),
      async (parts, end, limit) => {
        const texts = parts.map(([length, letter]) => letter.repeat(length));
        await writeFile(file, texts.join("\n") + (end ? "\n" : ""), "latin1");
        // A last line without a line end counts if it is not empty.
        const expected = end || texts.at(-1) !== "" ? texts : texts.slice(0, -1);
        const lines = end && texts.length === 0 ? [""] : expected;
        assert.deepEqual(
          await linesOf(file, limit),
          lines.map((text) => (text.length > limit ? null : text)),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("rejects a file that cannot be read", async (t) => {
  const folder = await folderOf(t, {});
  await assert.rejects(linesOf(join(folder, "none"), 10), inputError(/^cannot read .*none: ENOENT/));
  await assert.rejects(linesOf(folder, 10), inputError(/^cannot read .*EISDIR/));
});
