import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import { parse } from "yaml";
import {
  events,
  model,
  namesIn,
  refusesTo,
  scratchFolder,
  succeeds,
  writeTestImages,
} from "../../../testing/cli/support.js";

const at = await scratchFolder();
const sizes = ["--resolution", "32", "--batch", "4", "--layers", "2", "--tokens", "2", "--buckets", "10"];
const run = [...model, "--data", at("data"), ...sizes, "--steps", "3"];

/** The first event `name` of a command. */
async function eventOf(name: string, ...args: readonly string[]) {
  const [found] = (await events(...args)).filter(({ event }) => event === name);
  return found as typeof found & { memory: { total: number; caches: number }; chunk: number; steps: number };
}

describe("softrepa plan", () => {
  before(() => writeTestImages(at("data")));

  it("estimates memory, disk and time, and writes nothing", async () => {
    const { chunk, steps, memory, ...rest } = await eventOf("forecast", "plan", ...run, "--out", at("none"));
    assert.deepEqual([chunk, steps], [4, 3]);
    const { process, weights, copies, sessions, activations, caches, total } = memory as unknown as Record<
      string,
      number
    >;
    assert.ok([process, weights, copies, sessions, activations, caches].every((part) => part > 0));
    assert.equal(process + weights + copies + sessions + activations + caches, total);
    const { disk, time } = rest as unknown as {
      disk: { total: number };
      time: { secondsPerStep: number; secondsAStep: number; seconds: number };
    };
    assert.ok(disk.total > 12 * (2 * 2 * 32 + 10 * 64));
    assert.ok(time.seconds > 0 && Math.abs(time.seconds - 3 * time.secondsPerStep) < 1e-9);
    assert.equal(time.secondsAStep, time.secondsPerStep);
    assert.match(
      await succeeds("plan", ...run),
      /^memory .*\ndisk .*\ntime .*3 steps of .*, 4 pairs per run, activations kept, repacked weights; matrix products at/m,
    );
    assert.deepEqual(await namesIn(at("none")), []);
  });
  it("counts latents cached on disk, up to their limit", async () => {
    const latentsOf = async (...more: readonly string[]) => {
      const { disk } = await eventOf("forecast", "plan", ...run, ...more);
      return (disk as { latentsCache: number }).latentsCache;
    };
    const whole = await latentsOf("--latents-cache", at("latents"));
    assert.equal(await latentsOf(), 0);
    assert.ok(whole > 2 * 16 * 4 * 4);
    assert.ok((await latentsOf("--latents-cache", at("latents"), "--flip")) > 1.9 * whole);
    assert.equal(await latentsOf("--latents-cache", at("latents"), "--latents-cache-limit", "1KB"), 1000);
  });
  it("reads a configuration file, and measures real steps", async () => {
    await writeFile(at("run.yaml"), "batch: 3\nsteps: 7\n");
    const rest = run.slice(0, -2).filter((part, index, all) => part !== "--batch" && all[index - 1] !== "--batch");
    const { chunk, steps, time } = (await eventOf(
      "forecast",
      "plan",
      at("run.yaml"),
      ...rest,
      "--measure",
    )) as unknown as {
      chunk: number;
      steps: number;
      time: { rate: number | null };
    };
    assert.deepEqual([chunk, steps, time.rate], [3, 7, null]);
  });
  it("rejects a memory limit that is too small, and names the minimum", async () => {
    const least =
      /^softrepa: --memory 20 MB is too little: at 32 x 32 pixels this run needs at least \d+ MB, with 1 pair per run/;
    await refusesTo(["plan", ...run, "--memory", "20MB"], 1, least);
    await refusesTo(["train", ...run, "--memory", "20MB", "--out", at("no")], 1, least);
    assert.deepEqual(await namesIn(at("no")), []);
  });
  it("is followed by a run, which reports its choices and compares the result with the estimate", async () => {
    const lines = await events("train", ...run, "--memory", "8GB", "--out", at("a"));
    const [chosen] = lines.filter(({ event }) => event === "memory");
    assert.equal(chosen.chunk, 4);
    const [taken] = lines.filter(({ event }) => event === "taken");
    const { planned, took, ratio, steps } = JSON.parse(await readFile(at("a", "plan.json"), "utf8"));
    assert.deepEqual([taken.planned, taken.took, taken.ratio, taken.steps], [planned, took, ratio, steps]);
    assert.equal(steps, 3);
    assert.ok(ratio.memory > 0.5 && ratio.memory < 1.5, `${took.memory} of ${planned.memory}`);
    const config = parse(await readFile(at("a", "config.yaml"), "utf8"));
    assert.deepEqual([config.memory, config.chunk], [8e9, 4]);
    assert.deepEqual([config.checkpoints, config.repack], ["never", "always"]);
  });
  it("is chosen once: a resumed run keeps it, whatever memory is available then", async () => {
    const config = async (name: string) => parse(await readFile(at(name, "config.yaml"), "utf8"));
    const shapeOf = async (name: string) => {
      const { chunk, checkpoints, repack } = await config(name);
      return [chunk, checkpoints, repack];
    };
    const tokens = (name: string) => readFile(at(name, "tokens.safetensors"));
    await succeeds("train", ...run, "--out", at("auto"));
    assert.deepEqual(await shapeOf("auto"), [4, "never", "always"]);
    // As where memory was short when the run began; now it would choose otherwise.
    const short = ["--checkpoints", "always", "--repack", "never", "--chunk", "3"];
    await succeeds("train", ...run, ...short, "--out", at("parts"));
    await succeeds("train", "--resume", at("parts"), "--steps", "6");
    assert.deepEqual(await shapeOf("parts"), [3, "always", "never"]);
    await succeeds("train", ...run, ...short, "--steps", "6", "--out", at("whole"));
    assert.deepEqual(await tokens("parts"), await tokens("whole"));
    await succeeds("train", "--config", at("auto", "config.yaml"), "--out", at("again"));
    assert.deepEqual(await tokens("again"), await tokens("auto"));
    // A run from before these choices were written down computed activations twice, with weights as they were.
    const text = await readFile(at("auto", "config.yaml"), "utf8");
    await writeFile(at("auto", "config.yaml"), text.replace(/^(checkpoints|repack|chunk):.*\n/gm, ""));
    await succeeds("train", "--resume", at("auto"), "--steps", "5");
    assert.deepEqual(await shapeOf("auto"), [4, "always", "never"]);
  });
});
