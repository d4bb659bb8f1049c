import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { InputError, SoftrepaError } from "../../core/errors.js";
import { syntheticCheckpoint } from "../../testing/training/synthetic-checkpoint.js";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { RunFolder } from "./run-folder.js";

const root = await mkdtemp(join(tmpdir(), "softrepa-run-"));
after(() => rm(root, { recursive: true, force: true }));
let runs = 0;
const newRun = () => new RunFolder(join(root, `run-${runs++}`));
const stepsOf = async (run: RunFolder) => (await run.listCheckpoints()).map(({ step }) => step);
const keepAll = { last: 0, best: undefined };

describe("a checkpoint", () => {
  it("restores tokens, moments and the state of random numbers bit for bit", async () => {
    for (const written of [syntheticCheckpoint(7, { loss: 0.5 }), syntheticCheckpoint(8, {}, false)]) {
      const folder = join(root, `bits-${written.state.step}`);
      await writeCheckpoint(folder, written);
      assert.deepEqual(await readCheckpoint(folder), written);
    }
  });

  it("is rejected in one line if any byte of any file is changed or missing", async () => {
    const folder = join(root, "damaged");
    await writeCheckpoint(folder, syntheticCheckpoint(3, { loss: 1 }));
    const names = (await readdir(folder)).sort();
    assert.deepEqual(names, ["manifest.json", "optimizer.safetensors", "state.json", "tokens.safetensors"]);
    const isOneLine = (error: unknown) => error instanceof SoftrepaError && /^[^\n]+$/.test(error.message);
    const files = new Map<string, Buffer>();
    for (const name of names) files.set(name, await readFile(join(folder, name)));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names.slice(1)),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (name, at, by) => {
          const bytes = Buffer.from(files.get(name) ?? []);
          bytes[at % bytes.length] ^= by;
          await writeFile(join(folder, name), bytes);
          await assert.rejects(() => readCheckpoint(folder), isOneLine);
          await writeFile(join(folder, name), files.get(name) ?? "");
        },
      ),
      { numRuns: 60 },
    );
    for (const [name, bytes] of files) {
      await writeFile(join(folder, name), bytes.subarray(0, bytes.length - 3));
      await assert.rejects(() => readCheckpoint(folder), /damaged/);
      await rm(join(folder, name));
      await assert.rejects(() => readCheckpoint(folder), /cannot be read|damaged/);
      await writeFile(join(folder, name), bytes);
    }
    const manifest = JSON.parse(String(files.get("manifest.json")));
    for (const change of [
      { format: 2 },
      { files: { "../secret": { bytes: 1, sha256: "x" } } },
      { step: -1 },
      { extra: 1 },
    ]) {
      await writeFile(join(folder, "manifest.json"), JSON.stringify({ ...manifest, ...change }));
      await assert.rejects(() => readCheckpoint(folder), /^InputError: checkpoint .* is damaged: manifest\.json/);
    }
  });
});

describe("a run folder", () => {
  it("keeps the newest checkpoints and the best one, the older in case of a tie", async () => {
    const run = newRun();
    const losses = [0.9, 0.4, 0.6, 0.4, 0.8, 0.7];
    for (const [index, loss] of losses.entries()) {
      const keep = { last: 2, best: { metric: "loss", better: "lower" } } as const;
      await run.save(syntheticCheckpoint(10 * (index + 1), { loss, rank1: loss }), keep);
    }
    assert.deepEqual(await stepsOf(run), [20, 50, 60]);
    assert.equal((await run.best({ metric: "loss", better: "lower" }))?.step, 20);
    assert.equal((await run.best({ metric: "rank1", better: "higher" }))?.step, 50);
    assert.equal(await run.best({ metric: "gap", better: "higher" }), undefined);
    await run.save(syntheticCheckpoint(70), { last: 1, best: undefined });
    assert.deepEqual(await stepsOf(run), [70]);
    for (const step of [80, 90]) await run.save(syntheticCheckpoint(step), keepAll);
    assert.deepEqual(await stepsOf(run), [70, 80, 90]);
  });

  it("finds the newest intact checkpoint, and reports damaged ones", async () => {
    const run = newRun();
    assert.equal(await run.newest(assert.fail), undefined);
    for (const step of [1, 2, 1_000_000]) await run.save(syntheticCheckpoint(step), keepAll);
    assert.equal((await run.newest(assert.fail))?.state.step, 1_000_000);
    await writeFile(join(run.checkpointAt(1_000_000), "state.json"), "{}");
    await rm(join(run.checkpointAt(2), "manifest.json"));
    const warnings: string[] = [];
    assert.equal((await run.newest((message) => warnings.push(message)))?.state.step, 1);
    assert.equal(warnings.length, 2);
    await rm(join(run.checkpointAt(1), "tokens.safetensors"));
    await assert.rejects(() => run.newest(() => {}), InputError);
    // What takes its place is whole again.
    await run.save(syntheticCheckpoint(2), keepAll);
    assert.equal((await run.newest(() => {}))?.state.step, 2);
  });

  it("rejects checkpoints that cannot be read instead of starting again", async () => {
    const run = newRun();
    for (const step of [1, 2]) await run.save(syntheticCheckpoint(step, { loss: 1 }), keepAll);
    const manifest = join(run.checkpointAt(2), "manifest.json");
    await rm(manifest);
    // A link to itself can be read by nobody, not even by root.
    await symlink("manifest.json", manifest);
    await assert.rejects(() => run.newest(() => {}), /ELOOP/);
    const keep = { last: 1, best: { metric: "loss", better: "lower" } } as const;
    await assert.rejects(() => run.save(syntheticCheckpoint(3, { loss: 2 }), keep), /ELOOP/);
    assert.deepEqual(await stepsOf(run), [1, 2, 3]);
    await rm(join(run.path, "checkpoints"), { recursive: true });
    await symlink("checkpoints", join(run.path, "checkpoints"));
    await assert.rejects(() => run.newest(() => {}), /ELOOP/);
    await assert.rejects(() => run.clear(), /ELOOP/);
  });

  it("clears the files of a run, but no others", async () => {
    const run = newRun();
    await run.save(syntheticCheckpoint(4), keepAll);
    await mkdir(run.samples);
    const stay = ["checkpoints/mine.txt", "samples/mine.png", "notes.md", "samples/step-4.png"];
    const go = ["samples/step-000004-p00-s7.png", "log.jsonl", "tokens.safetensors", ".config.yaml.0a0b0c0d.tmp"];
    for (const name of [...stay, ...go]) await writeFile(join(run.path, name), "x");
    assert.equal(run.sampleAt(4, 0, 7), join(run.path, "samples", "step-000004-p00-s7.png"));
    await run.clear();
    const left = (await readdir(run.path, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    assert.deepEqual(left.map(({ name }) => name).sort(), stay.map((name) => name.split("/").at(-1)).sort());
    await newRun().clear();
  });
});
