import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, readlink, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import fc from "fast-check";
import { RunLog } from "./run-log.js";

const root = await mkdtemp(join(tmpdir(), "softrepa-log-"));
after(() => rm(root, { recursive: true, force: true }));

it("rewind keeps the lines up to a step, and drops a truncated last line", async () => {
  const log = new RunLog(join(root, "log.jsonl"));
  await fc.assert(
    fc.asyncProperty(fc.nat(12), fc.nat(12), fc.nat(40), async (lines, step, torn) => {
      await log.begin();
      const whole: string[] = [];
      for (let i = 0; i < lines; i++) {
        await log.append({ step: i, loss: i / 3 });
        if (i % 4 === 0) await log.append({ step: i, validation: { gap: i } });
      }
      await log.sync();
      const text = await readFile(log.file, "utf8");
      await appendFile(log.file, JSON.stringify({ step: 0, torn: "x".repeat(30) }).slice(0, torn));
      const kept = await log.rewind(step);
      for (const line of text.split("\n")) if (line !== "" && JSON.parse(line).step <= step) whole.push(line);
      assert.equal(await readFile(log.file, "utf8"), whole.map((line) => `${line}\n`).join(""));
      assert.deepEqual(
        kept,
        whole.map((line) => JSON.parse(line)),
      );
      await log.append({ step: 99 });
      assert.ok((await readFile(log.file, "utf8")).endsWith('{"step":99}\n'));
    }),
    { numRuns: 40 },
  );
});

it("a missing log is empty, and a log that cannot be written is an error", async () => {
  assert.deepEqual(await new RunLog(join(root, "none.jsonl")).rewind(5), []);
  await assert.rejects(
    () => new RunLog(join(root, "no", "log.jsonl")).append({ step: 1 }),
    /^RuntimeFailure: cannot write/,
  );
});

it("rejects a log that cannot be read, and keeps it", async () => {
  // A link to itself can be read by nobody, not even by root.
  const log = new RunLog(join(root, "loop.jsonl"));
  await symlink("loop.jsonl", log.file);
  await assert.rejects(() => log.rewind(5), /^RuntimeFailure: cannot read .*loop\.jsonl: ELOOP/);
  assert.equal(await readlink(log.file), "loop.jsonl");
});
