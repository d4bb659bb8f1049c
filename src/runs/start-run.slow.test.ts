import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { InterruptedError, UsageError } from "../core/errors.js";
import { softRepa } from "../objectives/softrepa.js";
import { readSoftTokens } from "../softtokens/formats/index.js";
import { writeTestImages } from "../testing/data/test-images.js";
import { openTiny } from "../testing/pipelines/support.js";
import { readConfigFile } from "./config/read-config.js";
import type { RunEvent } from "./events.js";
import { startRun } from "./start-run.js";

const folder = await mkdtemp(join(tmpdir(), "softrepa-runs-"));
after(() => rm(folder, { recursive: true, force: true }));
const pipeline = await openTiny("sd3");
const at = (...path: string[]) => join(folder, ...path);
const specOf = (out: string) => ({
  data: [at("data")],
  out: at(out),
  ...{ layers: 2, tokens: 2, buckets: 10, batch: 3, resolution: 32, temperature: 1, learningRate: 0.01 },
});

async function eventsOf(run: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

describe("a run", () => {
  before(() => writeTestImages(at("data")));

  it("emits its events, with an open pipeline and a short spec", async () => {
    const spec = {
      ...specOf("a"),
      steps: 4,
      saveEvery: 2,
      holdOut: 3,
      samplePrompts: ["a red circle"],
      sampleSteps: 1,
    };
    const run = await startRun({ pipeline, spec });
    const events = await eventsOf(run);
    const types = events.map(({ type }) => type).filter((type) => type !== "progress");
    assert.deepEqual(types, [
      ...["data", "start", "sample", "validation", "step", "step", "sample", "validation", "checkpoint"],
      ...["step", "step", "sample", "validation", "checkpoint", "taken", "saved", "best", "finished"],
    ]);
    const steps = events.flatMap((event) => (event.type === "step" ? [event.step] : []));
    assert.deepEqual(steps, [1, 2, 3, 4]);
    for (const event of events) if (event.type === "validation") assert.ok(event.rank1 >= 0 && event.rank1 <= 1);
    assert.deepEqual(events.at(-1), { type: "finished", file: at("a", "tokens.safetensors"), steps: 4 });
    const { model, steps: written } = await readConfigFile(at("a", "config.yaml"));
    assert.deepEqual([model, written], [pipeline.origin, 4]);
  });

  it("is saved when its reader leaves the loop, and resumes to the bytes of an uninterrupted run", async () => {
    const spec = specOf("b");
    for await (const event of await startRun({ pipeline, spec: { ...spec, steps: 1000 } })) {
      if (event.type === "step" && event.step === 2) break;
    }
    assert.deepEqual(
      (await readdir(at("b"))).filter((name) => /lock/.test(name)),
      [],
    );
    const [last] = (await readdir(at("b", "checkpoints"))).sort().reverse();
    const done = Number(last?.slice("step-".length));
    assert.ok(done >= 2 && done < 1000);
    const steps = done + 2;
    await eventsOf(await startRun({ pipeline, spec: { out: at("b"), steps }, resume: true }));
    const changed = { out: at("b"), seed: 1 };
    await assert.rejects(
      startRun({ pipeline, spec: changed, resume: true }),
      /^UsageError: `seed` cannot be given with/,
    );
    await eventsOf(await startRun({ pipeline, spec: { ...specOf("whole"), steps } }));
    const tokens = (name: string) => readFile(at(name, "tokens.safetensors"));
    assert.deepEqual(await tokens("b"), await tokens("whole"));
  });

  it("trains with a custom objective, which a resumed run requires by name", async () => {
    const mine = { ...softRepa({ temperature: 1, scale: 4, dweight: 0 }), name: "mine" };
    const spec = specOf("own");
    await eventsOf(await startRun({ pipeline, spec: { ...spec, steps: 2 }, objective: mine }));
    assert.equal((await readConfigFile(at("own", "config.yaml"))).objective, "mine");
    const further = { pipeline, spec: { out: at("own"), steps: 3 }, resume: true } as const;
    await assert.rejects(
      eventsOf(await startRun(further)),
      /`objective` must be one of .*, or be passed by the caller, not "mine"$/,
    );
    await assert.rejects(
      startRun({ ...further, objective: { ...mine, name: "other" } }),
      /`objective` is "mine" in this run, not "other"/,
    );
    const events = await eventsOf(await startRun({ ...further, objective: mine }));
    assert.equal(events.at(-1)?.type, "finished");
    await eventsOf(await startRun({ pipeline, spec: { ...specOf("builtin"), steps: 3 } }));
    const numbers = async (name: string) => (await readSoftTokens(at(name, "tokens.safetensors"))).tokens;
    assert.deepEqual(await numbers("own"), await numbers("builtin"));
  });

  it("is stopped by its signal, and throws to its reader", async () => {
    const stop = new AbortController();
    const run = await startRun({ pipeline, spec: { ...specOf("c"), steps: 1000 } }, { signal: stop.signal });
    const types = new Set<string>();
    await assert.rejects(async () => {
      for await (const { type } of run) {
        types.add(type);
        if (type === "step") stop.abort();
      }
    }, InterruptedError);
    assert.ok(types.has("saved") && !types.has("finished"));
  });

  it("rejects a wrong option by name before it starts", async () => {
    const refused = (spec: object, option: string, message: RegExp) =>
      assert.rejects(
        startRun({ pipeline, spec: { ...specOf("d"), ...spec } }),
        (error) => error instanceof UsageError && error.option === option && message.test(error.message),
      );
    await refused({ batch: 1 }, "batch", /^`batch` must be a whole number from 2 to 4096$/);
    await refused({ steps: 3, epochs: 1 }, "steps", /^`steps` and `epochs` exclude each other$/);
    await refused({ minimumLearningRate: 1 }, "minimumLearningRate", /is above `learningRate` 0.01$/);
    await refused({ layers: 2, initTokens: "x" }, "layers", /cannot be given with `initTokens`/);
    await assert.rejects(startRun({ pipeline, spec: { ...specOf("d"), ...{ stepz: 3 } } }), /no option stepz/);
    const run = await startRun({ pipeline, spec: { ...specOf("d"), objective: "mine" } });
    await assert.rejects(
      eventsOf(run),
      /`objective` must be one of softrepa, score-matching, or be passed by the caller, not "mine"/,
    );
  });
});
