import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import { parse } from "yaml";
import {
  eventFrom,
  events,
  model,
  namesIn,
  outcomeOf,
  refusesTo,
  scratchFolder,
  softrepa,
  start,
  succeeds,
  writeTestImages,
} from "../../../testing/cli/support.js";

const at = await scratchFolder();
const settings = [
  ...["train", ...model, "--data", at("data"), "--temperature", "1", "--resolution", "32", "--batch", "3"],
  ...["--lr", "0.05", "--layers", "2", "--tokens", "2", "--buckets", "10", "--save-every", "3", "--hold-out", "3"],
  ...["--sample-prompt", "a red circle", "--sample-steps", "2", "--sample-size", "32"],
];
const run = (name: string, ...more: readonly string[]) => [...settings, "--out", at(name), ...more];
const cached = ["--flip", "--latents-cache", at("latents")];
const results = async (name: string) => [
  await readFile(at(name, "tokens.safetensors")),
  await readFile(at(name, "log.jsonl")),
  await readFile(at(name, "samples", "step-000006-p00-s0.png")),
];
const warnings = (reported: Awaited<ReturnType<typeof events>>) =>
  reported.filter(({ event }) => event === "warning").map(({ message }) => String(message));

describe("encodings of softrepa train", () => {
  before(() => writeTestImages(at("data")));

  it("give the same tokens, log and images with an empty latents cache, a full one and one that is too small", async () => {
    assert.deepEqual(warnings(await events(...run("cold", "--steps", "6", ...cached))), []);
    const kept = await namesIn(at("latents"));
    assert.deepEqual(
      kept.map((name) => name.replace(/-.*\./, ".")),
      ["latents.f16", "latents.index"],
    );
    await succeeds(...run("warm", "--steps", "6", ...cached, "--caption-window", "1"));
    assert.deepEqual(await results("warm"), await results("cold"));
    assert.deepEqual(await namesIn(at("latents")), kept);
    const little = ["--flip", "--latents-cache", at("little"), "--latents-cache-limit", "2.5KB"];
    const reported = warnings(await events(...run("limited", "--steps", "6", ...little)));
    assert.equal(reported.length, 1);
    assert.match(reported[0], /^the latents cache .* is full \(--latents-cache-limit\)/);
    assert.deepEqual(await results("limited"), await results("cold"));
    let bytes = 0;
    for (const name of await readdir(at("little"))) bytes += (await stat(at("little", name))).size;
    assert.ok(bytes > 1000 && bytes <= 2500, `${bytes}`);
  });

  it("are computed again if the cache is damaged, with a warning", async () => {
    const [data] = (await readdir(at("latents"))).filter((name) => name.endsWith(".f16"));
    const bytes = await readFile(at("latents", data));
    await writeFile(at("latents", data), bytes.fill(1, 0, bytes.length / 2));
    const reported = warnings(await events(...run("repaired", "--steps", "6", ...cached)));
    assert.ok(
      reported.length > 0 && reported.every((line) => /^latents cache .* damaged; .* encoded again$/.test(line)),
      `${reported}`,
    );
    assert.deepEqual(await results("repaired"), await results("cold"));
    assert.deepEqual(warnings(await events(...run("again", "--steps", "6", ...cached))), []);
  });

  it("use the cache that config.yaml names after resuming, with any window", async () => {
    await succeeds(...run("parts", "--steps", "2", ...cached));
    const config = parse(await readFile(at("parts", "config.yaml"), "utf8"));
    assert.deepEqual([config["latents-cache"], config["latents-cache-limit"]], [at("latents"), 20e9]);
    await succeeds("train", "--resume", at("parts"), "--steps", "6", "--caption-window", "2");
    assert.deepEqual((await results("parts"))[0], (await results("cold"))[0]);
    await refusesTo(
      ["train", "--resume", at("parts"), "--latents-cache", at("other")],
      2,
      /--latents-cache cannot be given with --resume/,
    );
    const plain = parse(await readFile(at("parts", "config.schema.json"), "utf8")).properties;
    assert.ok("caption-window" in plain && "latents-cache-limit" in plain);
  });
});

describe("the lock of a run folder", () => {
  before(() => writeTestImages(at("data")));

  it("rejects a second process, and is released after Ctrl+C", async () => {
    const child = start(run("busy", "--steps", "100000", "--save-every", "0", "--log-every", "1", "--json"));
    const ended = outcomeOf(child);
    await eventFrom(child, "step");
    assert.ok((await namesIn(at("busy"))).includes("run.lock"));
    const refused = new RegExp(`^softrepa: process ${child.pid} on .* is already training in .*busy: [^\\n]*\\n$`);
    for (const args of [run("busy", "--steps", "2", "--force"), ["train", "--resume", at("busy")]]) {
      const { code, stderr } = await softrepa(args);
      assert.equal(code, 1);
      assert.match(stderr, refused);
    }
    child.kill("SIGINT");
    assert.equal((await ended).code, 130);
    assert.ok(!(await namesIn(at("busy"))).includes("run.lock"));
  });

  it("of a killed process is replaced, and released after an error", async () => {
    const child = start(run("dead", "--steps", "100000", "--save-every", "1", "--json"));
    const ended = outcomeOf(child);
    await eventFrom(child, "checkpoint");
    child.kill("SIGKILL");
    await ended;
    assert.ok((await namesIn(at("dead"))).includes("run.lock"));
    const { code } = await softrepa(["train", "--resume", at("dead"), "--steps", "1"]);
    assert.notEqual(code, null);
    assert.ok(!(await namesIn(at("dead"))).includes("run.lock"));
    assert.match(
      (await softrepa(run("none", "--batch", "13", "--hold-out", "0"))).stderr,
      /a batch of 13 needs as many images/,
    );
    assert.deepEqual(await namesIn(at("none")), []);
  });
});
