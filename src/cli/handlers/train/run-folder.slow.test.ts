import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import { parse } from "yaml";
import { readSoftTokens } from "../../../softtokens/formats/index.js";
import {
  eventFrom,
  events,
  eventsOf,
  model,
  namesIn,
  outcomeOf,
  refusesTo,
  scratchFolder,
  small,
  softrepa,
  start,
  succeeds,
  trainOn,
  writeTestImages,
} from "../../../testing/cli/support.js";
import { changeTensors, copyPipeline, weightFile } from "../../../testing/pipelines/support.js";

const at = await scratchFolder();
const prompts = ["a red circle", "two cats, é"] as const;
const settings = [...trainOn(at("data")), ...["--lr", "0.05", "--save-every", "2", "--hold-out", "4"]];
const sampling = [
  ...prompts.flatMap((prompt) => ["--sample-prompt", prompt]),
  ...["--sample-seed", "7", "--sample-steps", "3", "--sample-guidance", "3", "--sample-size", "48"],
];
const run = (name: string, ...more: readonly string[]) => [...settings, "--out", at(name), ...more];
const bytes = (...path: string[]) => readFile(at(...path));

describe("the run folder of softrepa train", () => {
  before(() => writeTestImages(at("data")));

  it("has samples from step 0 on, which equal the images that generate makes from the tokens of the step, byte for byte", async () => {
    const reported = await events(...run("a", "--steps", "4", "--seed", "3", ...sampling));
    const names = (await namesIn(at("a", "samples"))).map((name) => name.replace("step-00000", ""));
    assert.deepEqual(names, [
      "0-p00-s7.png",
      "0-p01-s7.png",
      "2-p00-s7.png",
      "2-p01-s7.png",
      "4-p00-s7.png",
      "4-p01-s7.png",
    ]);
    assert.equal(reported.filter(({ event }) => event === "sample").length, 6);
    const generate = (tokens: string, out: string, ...asked: string[]) =>
      succeeds(
        ...["generate", ...model, "--tokens", tokens, "--seed", "7", "--steps", "3", "--guidance", "3"],
        ...["--width", "48", "--height", "48", "--out", out, ...asked],
      );
    for (const [index, prompt] of prompts.entries()) {
      const tokens = at("a", "checkpoints", "step-000002", "tokens.safetensors");
      await generate(tokens, at("one.png"), "--prompt", prompt, "--force");
      assert.deepEqual(await bytes("one.png"), await bytes("a", "samples", `step-000002-p0${index}-s7.png`), prompt);
    }
    // Together as well as one by one.
    await generate(at("a", "tokens.safetensors"), at("both"), "--prompt", prompts[0], "--prompt", prompts[1]);
    for (const index of [0, 1]) {
      const last = await bytes("a", "samples", `step-000004-p0${index}-s7.png`);
      assert.deepEqual(await bytes("both", `image-000${index + 1}.png`), last);
      assert.notDeepEqual(last, await bytes("a", "samples", `step-000000-p0${index}-s7.png`));
    }
  });

  it("reports validation metrics of held-out pairs, and the best checkpoint", async () => {
    const reported = await events(...run("b", "--steps", "6", "--keep-last", "1", "--best", "gap", "--tensorboard"));
    const measured = reported.filter(({ event }) => event === "validation");
    assert.deepEqual(
      measured.map(({ step }) => step),
      [0, 2, 4, 6],
    );
    const log = eventsOf(await readFile(at("b", "log.jsonl"), "utf8"));
    assert.deepEqual(
      log.flatMap(({ step, validation }) => (validation ? [{ event: "validation", step, ...validation }] : [])),
      measured,
    );
    for (const { loss, rank1, gap, matched, buckets } of measured) {
      assert.ok([loss, rank1, gap, matched].every(Number.isFinite));
      assert.deepEqual(
        (buckets as { timestep: number }[]).map(({ timestep }) => timestep),
        [100, 300, 500, 700, 900],
      );
    }
    const gaps = measured.slice(1).map(({ step, gap }) => ({ step, gap: Number(gap) }));
    const best = gaps.reduce((most, one) => (one.gap > most.gap ? one : most));
    const [named] = reported.filter(({ event }) => event === "best");
    assert.deepEqual([named.step, named.value, named.metric], [best.step, best.gap, "gap"]);
    const kept = (await namesIn(at("b", "checkpoints"))).filter((name) => /^step-\d+$/.test(name));
    assert.deepEqual(kept, [...new Set([`step-00000${best.step}`, "step-000006"])].sort());
    assert.equal((await namesIn(at("b", "tensorboard"))).length, 1);
    // The same images from elsewhere, and other images than those that were held out.
    const apart = await events(...run("b2", "--steps", "2", "--hold-out", "0", "--validation", at("data")));
    assert.equal(apart.filter(({ event }) => event === "validation").length, 2);
  });

  it("resumes with the settings of config.yaml, even after it was moved", async () => {
    await succeeds(...run("c", "--steps", "3", ...sampling, "--sample-every", "3", "--crop", "random", "--flip"));
    await cp(at("c"), at("moved"), { recursive: true });
    const config = parse(await readFile(at("c", "config.yaml"), "utf8"));
    assert.deepEqual([config.steps, config.crop, config["sample-prompt"]], [3, "random", prompts]);
    await succeeds("train", "--resume", at("moved"), "--steps", "6");
    await succeeds(...run("d", "--steps", "6", ...sampling, "--sample-every", "3", "--crop", "random", "--flip"));
    assert.deepEqual(await bytes("moved", "tokens.safetensors"), await bytes("d", "tokens.safetensors"));
    assert.deepEqual(await namesIn(at("moved", "samples")), await namesIn(at("d", "samples")));
    assert.equal(parse(await readFile(at("moved", "config.yaml"), "utf8")).steps, 6);
    // A finished run stays finished; resuming restores missing tokens and images.
    await rm(at("d", "tokens.safetensors"));
    const sample = await bytes("d", "samples", "step-000006-p00-s7.png");
    await rm(at("d", "samples", "step-000006-p00-s7.png"));
    await succeeds("train", "--resume", at("d"));
    assert.deepEqual(await bytes("d", "tokens.safetensors"), await bytes("moved", "tokens.safetensors"));
    assert.deepEqual(await bytes("d", "samples", "step-000006-p00-s7.png"), sample);
    await refusesTo(["train", "--resume", at("d"), "--steps", "5"], 2, /already has 6 steps, more than --steps 5/);
    // The file does the run again elsewhere.
    await succeeds("train", "--config", at("d", "config.yaml"), "--out", at("again"));
    assert.deepEqual(await bytes("again", "tokens.safetensors"), await bytes("d", "tokens.safetensors"));
  });

  it("does not resume with other data, another model, or only damaged checkpoints", async () => {
    await cp(at("data"), at("data-e"), { recursive: true });
    const tiny = await copyPipeline("sd3", at("model-e"));
    const own = ["--model", tiny, ...small, "--data", at("data-e")];
    await succeeds(...run("e", "--steps", "4", ...own));
    await writeFile(at("e", "checkpoints", "step-000004", "state.json"), "{}");
    const reported = await events("train", "--resume", at("e"), "--steps", "4");
    assert.match(
      String(reported.find(({ event }) => event === "warning")?.message),
      /step-000004 is damaged: state\.json/,
    );
    const jsonl = await readFile(at("data-e", "metadata.jsonl"), "utf8");
    await writeFile(at("data-e", "metadata.jsonl"), jsonl.replace("red circle", "red disc"));
    const resume = ["train", "--resume", at("e"), "--steps", "6"];
    const refused = async (pattern: RegExp) => {
      const { code, stderr } = await softrepa(resume);
      assert.equal(code, 1);
      assert.match(stderr, pattern);
    };
    await refused(/^softrepa: .*e was trained on other data: .*; it cannot be resumed\n$/);
    await writeFile(at("data-e", "metadata.jsonl"), jsonl);
    await changeTensors(weightFile(tiny, "transformer"), (tensors) => {
      for (const { data } of tensors.values()) if (data instanceof Float32Array) data[0] += 1;
    });
    await refused(/was trained on another model than .*config\.yaml names now; it cannot be resumed\n$/);
    for (const step of ["step-000002", "step-000004"]) await rm(at("e", "checkpoints", step, "manifest.json"));
    await refused(/checkpoint .*step-000004 is damaged: manifest\.json/);
  });

  it("records the base model in the tokens, which other models use only with --force", async () => {
    const { metadata } = await readSoftTokens(at("a", "tokens.safetensors"));
    const wanted = {
      ...{ "softrepa.family": "sd3", "softrepa.base": "pipeline", "softrepa.layers": "2", "softrepa.count": "2" },
      ...{ "softrepa.buckets": "10", "softrepa.objective": "softrepa", "softrepa.steps": "4", "softrepa.lr": "0.05" },
      ...{ "modelspec.sai_model_spec": "1.0.1", "modelspec.architecture": "stable-diffusion-3/soft-tokens" },
      "modelspec.resolution": "32x32",
    };
    for (const [key, value] of Object.entries(wanted)) assert.equal(metadata[key], value, key);
    for (const key of ["softrepa.base_hash", "softrepa.data_hash"]) assert.match(metadata[key], /^[0-9a-f]{64}$/);
    const file = await bytes("a", "tokens.safetensors");
    const numbers = file.subarray(8 + Number(file.readBigUInt64LE(0)));
    assert.equal(metadata["modelspec.hash_sha256"], `0x${createHash("sha256").update(numbers).digest("hex")}`);
    const other = await copyPipeline("sd3", at("other"));
    await changeTensors(weightFile(other, "transformer"), (tensors) => {
      for (const { data } of tensors.values()) if (data instanceof Float32Array) data[0] += 0.1;
    });
    const tokens = ["--tokens", at("a", "tokens.safetensors")];
    const use = ["--model", other, ...small];
    const draw = ["generate", ...use, ...tokens, "--prompt", "x", "--steps", "1", "--width", "32", "--height", "32"];
    const fault =
      /the tokens were trained on "pipeline" \([0-9a-f]{12}\), not on this model \([0-9a-f]{12}\); use --force/;
    await refusesTo([...draw, "--out", at("f.png")], 1, fault);
    const reported = await events(...draw, "--out", at("f.png"), "--force");
    assert.match(String(reported.find(({ event }) => event === "warning")?.message), /trained on "pipeline"/);
    const measure = ["score", ...use, ...tokens, "--resolution", "32", "--timesteps", "1", "--data", at("data")];
    await refusesTo(measure, 1, fault);
    await succeeds(...measure, "--force");
    const goOn = ["train", ...use, "--data", at("data"), "--steps", "1", "--resolution", "32", "--batch", "3"];
    await refusesTo([...goOn, "--init-tokens", at("a", "tokens.safetensors"), "--out", at("g")], 1, fault);
    assert.deepEqual(await namesIn(at("g")), []);
  });

  it("is not created by --dry-run, which prints the plan", async () => {
    await mkdir(at("full"));
    await writeFile(at("full", "mine"), "x");
    const [plan] = (await events(...run("h", "--epochs", "1.5", "--dry-run"))).filter(({ event }) => event === "plan");
    const { images, heldOut, steps, batch, parameters, family } = plan;
    assert.deepEqual(
      { images, heldOut, steps, batch, parameters, family },
      {
        ...{ images: 8, heldOut: 4, steps: 4, batch: 3, parameters: 2 * 2 * 32 + 10 * 64, family: "sd3" },
      },
    );
    const shown = await succeeds(...run("h", "--epochs", "1.5", "--dry-run"));
    assert.equal(shown.slice(0, shown.indexOf("# 8 images")), plan.config);
    assert.deepEqual([parse(shown).steps, parse(shown).out], [4, at("h")]);
    assert.deepEqual(await namesIn(at("h")), []);
    await succeeds(...run("full", "--dry-run"));
    assert.deepEqual(await namesIn(at("full")), ["mine"]);
    await refusesTo(run("h", "--dry-run", "--preset", "sdxl"), 2, /--preset sdxl is for another family: .* is sd3$/m);
  });

  it("is saved up to the step before a non-finite value, which the error names", async () => {
    // Overflows after some steps.
    const { code, stderr } = await softrepa(run("n", "--steps", "50", "--lr", "1e36", "--hold-out", "0"));
    assert.equal(code, 1);
    const lines = stderr.split("\n").filter((line) => line.startsWith("softrepa: "));
    assert.equal(lines.length, 1, stderr);
    const [, step] =
      /became (?:NaN|-?Infinity) at step (\d+) \(timestep \d+, images .*\.png, .*\.png, .*\.png\)$/.exec(lines[0]) ??
      [];
    const done = Number(step) - 1;
    assert.ok(done >= 1, lines[0]);
    const log = eventsOf(await readFile(at("n", "log.jsonl"), "utf8"));
    assert.equal(log.at(-1)?.step, done);
    const saved = (await namesIn(at("n", "checkpoints"))).filter((name) => /^step-\d+$/.test(name));
    assert.equal(saved.at(-1), `step-${String(done).padStart(6, "0")}`);
  });

  it("ends immediately after a second Ctrl+C, and can be resumed", async () => {
    const child = start(run("k", "--steps", "100000", "--log-every", "1", "--json", "--save-every", "3"));
    const ended = outcomeOf(child);
    await eventFrom(child, "checkpoint");
    child.kill("SIGSTOP");
    child.kill("SIGINT");
    child.kill("SIGCONT");
    await new Promise((done) => setTimeout(done, 350));
    child.kill("SIGINT");
    const { code, signal } = await ended;
    assert.ok(code === 130 || signal === "SIGINT", `${code} ${signal}`);
    const done = Number(
      (await namesIn(at("k", "checkpoints")))
        .filter((name) => /^step-\d+$/.test(name))
        .at(-1)
        ?.slice(5),
    );
    await succeeds("train", "--resume", at("k"), "--steps", String(done + 2));
    await succeeds(...run("whole", "--steps", String(done + 2), "--save-every", "3"));
    assert.deepEqual(await bytes("k", "tokens.safetensors"), await bytes("whole", "tokens.safetensors"));
  });
});
