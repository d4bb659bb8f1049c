import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import sharp from "sharp";
import { readPngText } from "../../data/png.js";
import { writeSoftTokens } from "../../softtokens/formats/index.js";
import {
  eventFrom,
  events,
  model,
  namesIn,
  outcomeOf,
  pixelsOf,
  refusesTo,
  scratchFolder,
  smallTokens,
  start,
  succeeds,
} from "../../testing/cli/support.js";
import { captions } from "../../testing/pipelines/support.js";

const at = await scratchFolder();
const texts = ["--source", captions[0], "--target", captions[1]];
const few = ["--steps", "4", "--n-max", "3", "--seed", "7"];
const command = ["edit", ...model, "--image", at("source.png")];

/** Edits the source image to `name`.png and returns the events. */
const edit = (name: string, ...more: readonly string[]) => events(...command, "--out", at(`${name}.png`), ...more);
const settingsOf = async (name: string) => JSON.parse((await readPngText(at(`${name}.png`))).softrepa ?? "");
const noticesOf = (all: Awaited<ReturnType<typeof events>>) =>
  all.filter(({ event }) => event === "notice").map(({ message }) => message);

describe("softrepa edit", () => {
  before(async () => {
    await writeSoftTokens(at("tokens.safetensors"), smallTokens(), "softrepa");
    await succeeds(
      ...["generate", ...model, "--prompt", captions[0], "--steps", "2", "--seed", "3"],
      ...["--width", "48", "--height", "48", "--out", at("source.png")],
    );
    const mask = Buffer.alloc(48 * 48);
    for (let row = 0; row < 48; row++) mask.fill(255, row * 48, row * 48 + 24);
    await sharp(mask, { raw: { width: 48, height: 48, channels: 1 } })
      .png()
      .toFile(at("mask.png"));
  });

  it("edits with FlowEdit by default on SD3, stores the settings and reports the steps that run", async () => {
    const told = await edit("flow", ...texts, ...few);
    const [image] = told.slice(-1);
    assert.equal(image?.event, "image");
    const settings = await settingsOf("flow");
    const { method, source, prompt, steps, nMax, stepsRun, seed, targetGuidance } = settings;
    assert.deepEqual(
      { method, source, prompt, steps, nMax, stepsRun, seed, targetGuidance },
      {
        method: "flowedit",
        source: captions[0],
        prompt: captions[1],
        steps: 4,
        nMax: 3,
        stepsRun: 3,
        seed: 7,
        targetGuidance: 13.5,
      },
    );
    const { width, height } = await pixelsOf(at("flow.png"));
    assert.deepEqual([width, height], [48, 48]);
    const text = await succeeds(...command, ...texts, ...few, "--out", at("again.png"));
    assert.match(text, /again\.png {2}flowedit, 3 of 4 steps {2}seed 7/);
    assert.deepEqual(await readFile(at("again.png")), await readFile(at("flow.png")));
  });

  it("takes a share of the steps, presets, and other defaults with tokens", async () => {
    await edit("share", ...texts, "--steps", "4", "--n-max", "0.75", "--seed", "7");
    assert.deepEqual((await pixelsOf(at("share.png"))).data, (await pixelsOf(at("flow.png"))).data);
    await edit("tokens", ...texts, ...few, "--tokens", at("tokens.safetensors"));
    const { targetGuidance, tokens } = await settingsOf("tokens");
    assert.deepEqual([targetGuidance, tokens], [9, "tokens.safetensors"]);
    await edit("as-run", ...texts, ...few, "--preset", "softrepa-as-run");
    assert.equal((await settingsOf("as-run")).targetGuidance, 14.5);
  });

  it("keeps the pixels outside the mask, with inpainting by default", async () => {
    await edit("inpaint", "--target", captions[1], "--steps", "2", "--mask", at("mask.png"), "--seed", "1");
    assert.equal((await settingsOf("inpaint")).method, "inpaint");
    const [source, edited] = [await pixelsOf(at("source.png")), await pixelsOf(at("inpaint.png"))];
    const changed = { inside: 0, outside: 0 };
    for (const [i, level] of edited.data.entries()) {
      if (level !== source.data[i]) changed[Math.floor(i / 3) % 48 < 24 ? "inside" : "outside"]++;
    }
    assert.equal(changed.outside, 0);
    assert.ok(changed.inside > 500);
    await edit("free", "--target", captions[1], "--steps", "2", "--mask", at("mask.png"), "--seed", "1", "--no-paste");
    assert.notDeepEqual((await pixelsOf(at("free.png"))).data, edited.data);
  });

  it("writes the size that was asked for", async () => {
    const told = await edit("wide", ...texts, ...few, "--resize", "crop", "--size", "64x48");
    const { width, height } = await pixelsOf(at("wide.png"));
    assert.deepEqual([width, height], [64, 48]);
    assert.ok(noticesOf(told).some((notice) => /48x36/.test(String(notice))));
  });

  it("reports an edit that changed nothing, and one that changed everything, with the option to change", async () => {
    const sdedit = ["--method", "sdedit", "--target", captions[1], "--steps", "4", "--seed", "1"];
    const none = await edit("none", ...sdedit, "--image-strength", "0");
    assert.match(String(noticesOf(none)), /no step runs.*--image-strength/);
    assert.deepEqual((await pixelsOf(at("none.png"))).data, (await pixelsOf(at("source.png"))).data);
    const equal = [
      "--source",
      captions[0],
      "--target",
      captions[0],
      "--source-guidance",
      "2",
      "--target-guidance",
      "2",
    ];
    assert.match(String(noticesOf(await edit("equal", ...equal, ...few))), /the edit changed nothing: raise --n-max/);
    const all = await edit("all", ...sdedit, "--image-strength", "1");
    assert.match(String(noticesOf(all)), /the edit changed everything: lower --image-strength/);
  });

  it("rejects an option that the method does not use and names the methods that do", async () => {
    const out = ["--out", at("refused.png")];
    const sdedit = [...command, ...out, "--method", "sdedit", "--target", "x"];
    await refusesTo(
      [...sdedit, "--n-max", "3"],
      2,
      /sdedit does not use --n-max; these methods do: flowedit, flowalign/,
    );
    await refusesTo([...sdedit, "--no-reference"], 2, /--no-reference; these methods do: masactrl/);
    await refusesTo([...sdedit, "--source", "x"], 2, /--source; these methods do: flowedit/);
    const align = [...command, ...out, "--method", "flowalign", ...texts];
    await refusesTo([...align, "--negative", "x"], 2, /does not use --negative; these methods do/);
    await refusesTo([...command, ...out, "--method", "flowedit", "--target", "x"], 2, /needs --source/);
    await refusesTo([...command, ...out, ...texts, "--feather", "3", "--method", "flowedit"], 2, /--feather.*--mask/);
    await refusesTo([...command, ...out, ...texts, "--strength", "0.5"], 2, /--strength needs --tokens/);
    await refusesTo([...command, ...out, ...texts, "--size", "x"], 2, /--size must be a number of pixels/);
  });

  it("rejects options that the opened model does not fit, and images that cannot be read", async () => {
    const fails = async (code: number, pattern: RegExp, ...more: readonly string[]) => {
      const outcome = await outcomeOf(start([...command, "--out", at("refused.png"), ...more]));
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, pattern);
    };
    await fails(2, /--image-strength; these methods do: sdedit, inpaint/, ...texts, "--image-strength", "0.5");
    await fails(2, /--method pnp is not offered for sd3, only for sd15/, "--method", "pnp", "--target", "x");
    await fails(2, /--size 50 does not fit .*multiple of/, ...texts, "--size", "50");
    await fails(2, /--n-max 60 is above the 50 steps/, ...texts, "--n-max", "60");
    await writeFile(at("broken.png"), "not an image");
    await fails(1, /broken\.png/, ...texts, "--image", at("broken.png"));
    await fails(1, /flow\.png exists; [^\n]*--force/, ...texts, "--out", at("flow.png"));
    await fails(1, /--mask alpha: .* has no transparent pixels/, "--target", "x", "--mask", "alpha");
  });

  it("writes no image when it is interrupted, and exits with 130", async () => {
    const child = start([
      ...command,
      ...texts,
      "--steps",
      "1000",
      "--n-max",
      "1000",
      "--out",
      at("stopped.png"),
      "--json",
    ]);
    const ended = outcomeOf(child);
    await eventFrom(child, "progress");
    child.kill("SIGINT");
    const { code, signal, stderr } = await ended;
    assert.deepEqual([code, signal, stderr], [130, null, "softrepa: interrupted\n"]);
    assert.ok(!(await namesIn(at())).includes("stopped.png"));
  });
});
