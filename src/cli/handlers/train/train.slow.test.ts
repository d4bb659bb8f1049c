import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import { parse } from "yaml";
import { readSoftTokens, writeSoftTokens } from "../../../softtokens/formats/index.js";
import {
  eventFrom,
  events,
  eventsOf,
  model,
  namesIn,
  outcomeOf,
  scratchFolder,
  smallTokens,
  softrepa,
  start,
  succeeds,
  writeTestImages,
} from "../../../testing/cli/support.js";

const at = await scratchFolder();
const quick = [
  ...["train", ...model, "--data", at("data"), "--temperature", "1", "--resolution", "32", "--batch", "3"],
  ...["--lr", "0.01", "--seed", "3"],
];
const layout = ["--layers", "2", "--tokens", "2", "--buckets", "10"];
const run = (name: string, ...more: readonly string[]) => [...quick, ...layout, "--out", at(name), ...more];
const tokensOf = (name: string) => readSoftTokens(at(name, "tokens.safetensors"));
const logOf = async (name: string) => eventsOf(await readFile(at(name, "log.jsonl"), "utf8"));

describe("softrepa train", () => {
  before(() => writeTestImages(at("data")));

  it("writes its settings, one log line per step, checkpoints and the tokens", async () => {
    const reported = await events(...run("a", "--steps", "4", "--save-every", "2", "--log-every", "2"));
    const checkpointFiles = ["manifest.json", "optimizer.safetensors", "state.json", "tokens.safetensors"];
    assert.deepEqual(await namesIn(at("a")), [
      "checkpoints",
      ...["checkpoints/step-000002", ...checkpointFiles.map((name) => `checkpoints/step-000002/${name}`)],
      ...["checkpoints/step-000004", ...checkpointFiles.map((name) => `checkpoints/step-000004/${name}`)],
      "config.schema.json",
      "config.yaml",
      "log.jsonl",
      "plan.json",
      "tokens.safetensors",
    ]);
    const config = parse(await readFile(at("a", "config.yaml"), "utf8"));
    const wanted = {
      steps: 4,
      batch: 3,
      layers: 2,
      tokens: 2,
      buckets: 10,
      width: "projected",
      temperature: 1,
      scale: 4,
    };
    for (const [key, value] of Object.entries({
      ...wanted,
      ...{ lr: 0.01, seed: 3, resolution: 32, dweight: 0, "max-sequence-length": 24, "restart-period": 10 },
    })) {
      assert.deepEqual(config[key], value, key);
    }
    const log = await logOf("a");
    assert.deepEqual(
      log.map(({ step }) => step),
      [1, 2, 3, 4],
    );
    for (const { loss, rank1, learningRate, timestep } of log) {
      assert.ok([loss, rank1, learningRate, timestep].every(Number.isFinite));
    }
    assert.deepEqual(
      reported.filter(({ event }) => event === "step").map(({ event, ...step }) => step),
      [log[1], log[3]],
    );
    const saved = { event: "saved", file: at("a", "tokens.safetensors"), steps: 4 };
    assert.deepEqual(reported.at(-1), saved);

    const tokens = await tokensOf("a");
    assert.deepEqual(
      [tokens.placement, tokens.tokens.shape, tokens.timeTable?.shape],
      ["prefix", [2, 2, 32], [10, 64]],
    );
    const { metadata } = tokens;
    assert.deepEqual(
      [metadata["softrepa.family"], metadata["softrepa.steps"], metadata["softrepa.seed"], metadata["softrepa.base"]],
      ["sd3", "4", "3", "pipeline"],
    );
    const checkpoint = await readSoftTokens(at("a", "checkpoints", "step-000002", "tokens.safetensors"));
    assert.equal(checkpoint.metadata["softrepa.steps"], "2");
    assert.notDeepEqual(checkpoint.tokens, tokens.tokens);
    const last = await readFile(at("a", "checkpoints", "step-000004", "tokens.safetensors"));
    assert.deepEqual(last, await readFile(at("a", "tokens.safetensors")));
  });

  it("writes the same bytes for the same seed, however often it logs and saves", async () => {
    await succeeds(...run("b", "--steps", "4", "--save-every", "0", "--log-every", "1"));
    const saved = (await namesIn(at("b"))).filter((name) => /step-\d+$/.test(name));
    assert.deepEqual(saved, ["checkpoints/step-000004"]);
    assert.deepEqual(await readFile(at("b", "tokens.safetensors")), await readFile(at("a", "tokens.safetensors")));
    assert.deepEqual(await readFile(at("b", "log.jsonl")), await readFile(at("a", "log.jsonl")));
    await succeeds(...run("c", "--steps", "1", "--seed", "4"));
    assert.notDeepEqual((await logOf("c"))[0], (await logOf("a"))[0]);
  });

  it("starts from initial tokens, with their layout", async () => {
    const small = smallTokens();
    await writeSoftTokens(
      at("small.safetensors"),
      { ...small, metadata: { ...small.metadata, note: "mine" } },
      "softrepa",
    );
    const from = ["--init-tokens", at("small.safetensors")];
    const refused = await softrepa(run("d", "--steps", "1", ...from));
    assert.deepEqual([refused.code, refused.stderr.split("\n").length], [2, 2]);
    await succeeds(...quick, "--out", at("d"), "--steps", "1", ...from);
    const tokens = await tokensOf("d");
    assert.deepEqual(
      [tokens.tokens.shape, tokens.timeTable?.shape],
      [
        [2, 3, 32],
        [5, 64],
      ],
    );
    assert.equal(tokens.metadata.note, "mine");
    // One step of AdamW changes a value by at most the learning rate, plus weight decay.
    for (const [i, x] of tokens.tokens.data.entries()) assert.ok(Math.abs(x - small.tokens.data[i]) <= 0.0101);
    assert.notDeepEqual(tokens.tokens, small.tokens);
  });

  it("trains raw tokens, and replaces a run with --force", async () => {
    const old = await readFile(at("c", "tokens.safetensors"));
    const reported = await softrepa(run("c", "--steps", "1", "--width", "raw"));
    assert.deepEqual([reported.code, reported.stdout], [1, ""]);
    assert.match(reported.stderr, /^softrepa: run folder .* is not empty; [^\n]*--force\n$/);
    assert.deepEqual(await readFile(at("c", "tokens.safetensors")), old);
    // A checkpoint of the old run would look like one of the new run; other files stay.
    await mkdir(at("c", "checkpoints"), { recursive: true });
    await mkdir(at("c", "checkpoints", "step-000900"));
    for (const name of ["step-000900/state.json", "notes.txt"]) await writeFile(at("c", "checkpoints", name), "old");
    await succeeds(...run("c", "--steps", "1", "--width", "raw", "--force"));
    assert.deepEqual((await tokensOf("c")).tokens.shape, [2, 2, 48]);
    const remaining = (await namesIn(at("c"))).filter((name) => /^checkpoints\/[^/]+$/.test(name));
    assert.deepEqual(remaining, ["checkpoints/notes.txt", "checkpoints/step-000001"]);
  });

  it("saves finished steps when interrupted, and exits with 130", async () => {
    const child = start(run("e", "--steps", "100000", "--log-every", "1", "--save-every", "0", "--json"));
    const ended = outcomeOf(child);
    await eventFrom(child, "step");
    child.kill("SIGINT");
    const { code, signal, stdout, stderr } = await ended;
    assert.deepEqual([code, signal], [130, null], stderr);
    const reported = eventsOf(stdout);
    assert.deepEqual(
      reported.slice(-2).map(({ event, kind }) => [event, kind]),
      [
        ["saved", undefined],
        ["error", "interrupted"],
      ],
    );
    const done = reported.at(-2)?.steps;
    assert.ok(typeof done === "number" && done >= 1 && done < 100000);
    const next = `continue with: softrepa train --resume ${at("e")}`;
    assert.equal(stderr, `softrepa: interrupted after ${done} of 100000 steps; ${next}\n`);
    assert.equal((await logOf("e")).length, done);
    // The tokens equal those of a run with that number of steps.
    assert.equal((await tokensOf("e")).metadata["softrepa.steps"], String(done));
    await succeeds(...run("f", "--steps", String(done)));
    assert.deepEqual(await readFile(at("e", "tokens.safetensors")), await readFile(at("f", "tokens.safetensors")));
    // Both runs continue to the same result.
    for (const name of ["e", "f"]) await succeeds("train", "--resume", at(name), "--steps", String(done + 3));
    assert.deepEqual(await readFile(at("e", "tokens.safetensors")), await readFile(at("f", "tokens.safetensors")));
    assert.deepEqual(await logOf("e"), await logOf("f"));
  });

  it("saves finished steps after SIGTERM and SIGHUP, and exits with 143 and 129", async () => {
    for (const [signal, exitCode] of [
      ["SIGTERM", 143],
      ["SIGHUP", 129],
    ] as const) {
      const child = start(run(signal, "--steps", "100000", "--log-every", "1", "--save-every", "0", "--json"));
      const ended = outcomeOf(child);
      await eventFrom(child, "step");
      child.kill(signal);
      const { code, stdout } = await ended;
      assert.equal(code, exitCode);
      const done = eventsOf(stdout).at(-2)?.steps;
      assert.equal((await tokensOf(signal)).metadata["softrepa.steps"], String(done));
      assert.ok(!(await namesIn(at(signal))).some((name) => /\.tmp$|run\.lock/.test(name)));
    }
  });

  it("leaves no files behind if the data cannot be used", async () => {
    await writeTestImages(at("broken"));
    await assertFails(run("h", "--batch", "13"), /a batch of 13 needs as many images/);
    await rm(at("broken", "metadata.jsonl"));
    await assertFails(
      run("h", "--data", at("broken")),
      /image .* has no caption \(a \.txt or \.caption file\); 11 more faults/,
    );
    await rm(at("broken"), { recursive: true });
    await writeTestImages(at("broken"));
    // Only decoding shows that these images are truncated.
    for (const name of await namesIn(at("broken"))) {
      if (!name.endsWith(".png")) continue;
      const bytes = await readFile(at("broken", name));
      await writeFile(at("broken", name), bytes.subarray(0, bytes.length - 60));
    }
    await assertFails(run("h", "--data", at("broken")), /cannot decode image .*\.png: /);
    assert.deepEqual(await namesIn(at("h")), []);
  });
});

async function assertFails(args: readonly string[], message: RegExp): Promise<void> {
  const { code, stdout, stderr } = await softrepa(args);
  assert.deepEqual([code, stdout], [1, ""]);
  const lines = stderr
    .trimEnd()
    .split("\n")
    .filter((line) => !/^(steps|encoding) [\d.]+% /.test(line));
  assert.equal(lines.length, 1, stderr);
  assert.match(lines[0], message);
}
