import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import sharp from "sharp";
import { readPngText } from "../../data/png.js";
import { readReport } from "../../evaluation/report/index.js";
import { writeSoftTokens } from "../../softtokens/formats/index.js";
import {
  eventFrom,
  events,
  eventsOf,
  model,
  namesIn,
  outcomeOf,
  refusesTo,
  scratchFolder,
  smallTokens,
  softrepa,
  start,
  succeeds,
} from "../../testing/cli/support.js";
import { smallClip } from "../../testing/evaluation/open-clip.js";
import { captions } from "../../testing/pipelines/support.js";

const at = await scratchFolder();
const [first, second, third] = captions;
const command = ["edit", ...model, "--edits", at("edits.yaml"), "--experiment", at("exp.yaml")];
const settingsOf = async (...path: readonly string[]) => JSON.parse((await readPngText(at(...path))).softrepa ?? "");

describe("softrepa edit --edits", () => {
  before(async () => {
    await writeSoftTokens(at("tokens.safetensors"), smallTokens(), "softrepa");
    for (const name of ["a", "b"]) {
      await succeeds(
        ...["generate", ...model, "--prompt", first, "--steps", "2", "--seed", name === "a" ? "3" : "4"],
        ...["--width", "32", "--height", "32", "--out", at(`${name}.png`)],
      );
    }
    await writeFile(at("damaged.png"), "not an image");
    const list = [
      { input_img: "a.png", source_prompt: first, target_prompts: [second, third], target_codes: ["two", "three"] },
      { init_img: "damaged.png", source_prompt: first, target_prompts: [second] },
      { input_img: "b.png", source_prompt: first, target_prompts: [second], seed: 5 },
    ];
    // JSON is YAML.
    await writeFile(at("edits.yaml"), JSON.stringify(list));
    await writeFile(
      at("exp.yaml"),
      "- exp_name: SD3\n  T_steps: 4\n  n_avg: 1\n  src_guidance_scale: 2\n  tar_guidance_scale: 5\n  n_min: 0\n  n_max: 3\n  seed: 10\n",
    );
    const authors = [{ prompt: first, img_path: "a.png", tgt_prompt: second }];
    await writeFile(at("authors.json"), JSON.stringify(authors));
  });

  it("edits without tokens and with them from the same seeds, reports an unreadable image and exits with 1", async () => {
    const { code, stdout, stderr } = await softrepa([
      ...[...command, "--out", at("out"), "--tokens", at("tokens.safetensors"), "--json"],
    ]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /1 of 4 edits failed, the first: .*damaged\.png/);
    const names = ["0001-a.png", "0002-a.png", "0004-b.png"];
    for (const folder of ["source", "base", "tokens"]) assert.deepEqual(await namesIn(at("out", folder)), names);
    const pairs = await Promise.all(
      names.map(async (name) => [await settingsOf("out", "base", name), await settingsOf("out", "tokens", name)]),
    );
    assert.deepEqual(
      pairs.map((pair) => pair.map(({ seed }) => seed)),
      [10, 10, 5].map((seed) => [seed, seed]),
    );
    const [[base, tuned] = []] = pairs;
    assert.deepEqual([base.tokens, tuned.tokens], [undefined, "tokens.safetensors"]);
    const { steps, nMax, sourceGuidance, targetGuidance } = base;
    assert.deepEqual([steps, nMax, sourceGuidance, targetGuidance], [4, 3, 2, 5]);
    const failure = eventsOf(stdout).find(({ event }) => event === "failure");
    assert.match(String(failure?.message), /damaged\.png/);
    const report = await readReport(at("out", "report.json"));
    assert.deepEqual(
      report.comparisons?.map(({ metric, variants }) => [metric.name, variants]),
      [
        ["match with the target prompt (nats)", ["base", "tokens"]],
        ["PSNR to the source (dB)", ["base", "tokens"]],
      ],
    );
    assert.deepEqual(report.notRun?.map(({ name }) => name).toSorted(), [
      "CLIPScore",
      "ImageReward",
      "LPIPS",
      "edit 0003-damaged",
    ]);
    assert.equal(report.gallery?.items.length, 3);
    assert.ok(report.gallery?.items.every(({ source }) => source !== undefined));
    const page = await readFile(at("out", "report.html"), "utf8");
    assert.doesNotMatch(page, /(src|href)="(?!data:|#)/);
  });

  it("continues in the folder of the same list, and rejects one with other options", async () => {
    const before = await readFile(at("out", "base", "0001-a.png"));
    const again = await softrepa([...[...command, "--out", at("out"), "--tokens", at("tokens.safetensors"), "--json"]]);
    assert.equal(again.code, 1);
    assert.equal(eventsOf(again.stdout).filter(({ event }) => event === "image").length, 0);
    assert.deepEqual(await readFile(at("out", "base", "0001-a.png")), before);
    await refusesTo([...command, "--out", at("out"), "--n-max", "2"], 1, /edits of another list or other options/);
  });

  it("continues a list that was stopped, with the same bytes", async () => {
    const args = [...command, "--out", at("stopped"), "--tokens", at("tokens.safetensors"), "--json"];
    const child = start(args);
    const ended = outcomeOf(child);
    await eventFrom(child, "image");
    child.kill("SIGINT");
    assert.equal((await ended).code, 130);
    const done = await namesIn(at("stopped", "base"));
    assert.ok(done.length < 3);
    assert.equal((await softrepa(args)).code, 1);
    for (const folder of ["base", "tokens"]) {
      for (const name of await namesIn(at("out", folder))) {
        assert.deepEqual(await readFile(at("stopped", folder, name)), await readFile(at("out", folder, name)));
      }
    }
  });

  it("reads the SoftREPA authors' JSON, with any method", async () => {
    const told = await events(
      ...["edit", ...model, "--edits", at("authors.json"), "--method", "sdedit", "--steps", "2", "--out", at("json")],
    );
    assert.deepEqual(await namesIn(at("json", "base")), ["0001-a.png"]);
    assert.equal((await settingsOf("json", "base", "0001-a.png")).method, "sdedit");
    assert.ok(told.some(({ event }) => event === "evaluation"));
  });

  it("scores masked edits outside the mask, and by the metrics whose weights are there", async () => {
    const mask = sharp({ create: { width: 32, height: 32, channels: 3, background: "black" } });
    const white = { create: { width: 16, height: 32, channels: 3 as const, background: "white" } };
    await mask
      .composite([{ input: white, left: 0, top: 0 }])
      .png()
      .toFile(at("mask.png"));
    const masked = [{ input_img: "a.png", source_prompt: first, target_prompts: [second, third], mask: "mask.png" }];
    await writeFile(at("masked.yaml"), JSON.stringify(masked));
    await cp(smallClip, at("weights", "clip-small"), { recursive: true });
    await events(
      ...["edit", ...model, "--edits", at("masked.yaml"), "--steps", "2", "--tokens", at("tokens.safetensors")],
      ...["--mask-grow", "1", "--weights", at("weights"), "--out", at("masked")],
    );
    assert.equal((await settingsOf("masked", "base", "0001-a.png")).method, "inpaint");
    const { comparisons = [] } = await readReport(at("masked", "report.json"));
    assert.deepEqual(
      comparisons.map(({ metric }) => metric.name),
      ["match with the target prompt (nats)", "PSNR outside the mask (dB)", "CLIPScore"],
    );
    // Pixels outside are pasted.
    assert.deepEqual(
      comparisons[1]?.rows[0]?.means.map(({ value }) => value),
      [60, 60],
    );
    assert.notEqual(comparisons[2]?.rows[0]?.means[0]?.value, comparisons[2]?.rows[0]?.means[1]?.value);
  });

  it("rejects options that lists have themselves, and damaged lists, in one line", async () => {
    await refusesTo([...command, "--out", at("x"), "--image", at("a.png")], 2, /it excludes --image/);
    await writeFile(at("wrong.yaml"), "- input_img: a.png\n  target_prompts: []\n");
    await refusesTo(["edit", ...model, "--edits", at("wrong.yaml"), "--out", at("x")], 1, /edit 1: "target_prompts"/);
    await refusesTo([...command, "--out", at("x"), "--method", "sdedit"], 2, /sdedit does not use --averages/);
  });
});
