import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { Generator } from "../../core/random.js";
import { shard } from "../../testing/data/data-folders.js";
import { openDataSet } from "../data-set.js";

const folder = dirname(shard("pyarrow.parquet"));
const fixtures = readdirSync(folder).filter((name) => name.endsWith(".parquet"));
/** Damaged copies per fixture. */
const copies = 120;
const maxGrowth = 300 << 20;

/** Changes bytes, overwrites a range or truncates; mostly in the metadata at the end. */
function damage(bytes: Buffer, random: Generator): Uint8Array {
  const kind = random.integer(4);
  const place = () => {
    const back = random.integer(2) === 0 ? bytes.length : Math.min(bytes.length, 1500);
    return bytes.length - 1 - random.integer(back);
  };
  if (kind === 0) return bytes.subarray(0, place());
  if (kind === 1) {
    const start = place();
    return bytes.fill(random.integer(2) * 255, start, Math.min(bytes.length, start + 1 + random.integer(40)));
  }
  for (let left = random.integer(4); left >= 0; left--) bytes[place()] = random.integer(256);
  return bytes;
}

test(`reads or rejects ${copies} damaged copies of each file without unhandled rejections`, async (t) => {
  assert.ok(fixtures.length >= 16);
  const unhandled: unknown[] = [];
  const remember = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", remember);
  const temporary = await mkdtemp(join(tmpdir(), "softrepa-parquet-"));
  t.after(async () => {
    process.off("unhandledRejection", remember);
    await rm(temporary, { recursive: true });
  });
  const random = new Generator(3);
  const before = process.memoryUsage.rss();
  let rejected = 0;
  for (const name of fixtures) {
    const whole = await readFile(join(folder, name));
    const file = join(temporary, name);
    for (let copy = 0; copy < copies; copy++) {
      await writeFile(file, damage(Buffer.from(whole), random));
      const faults: string[] = [];
      const report = (error: unknown) => faults.push(String(error));
      const { items } = await openDataSet(file, ({ message }) => faults.push(`InputError: ${message}`)).catch(
        (error) => {
          report(error);
          return { items: [] };
        },
      );
      for (const item of items) await item.read().catch(report);
      rejected += Number(faults.length > 0);
      for (const fault of faults) {
        assert.match(fault, /^InputError: [^\n]+$/);
        assert.ok(fault.includes(basename(file)), fault);
      }
    }
  }
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(unhandled, []);
  assert.ok(rejected > (fixtures.length * copies) / 4, `${rejected}`);
  assert.ok(process.memoryUsage.rss() - before < maxGrowth);
});
