import assert from "node:assert/strict";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import { readPngText } from "../../data/png.js";
import { writeSoftTokens } from "../../softtokens/formats/index.js";
import {
  eventFrom,
  events,
  eventsOf,
  model,
  namesIn,
  outcomeOf,
  pixelsOf,
  scratchFolder,
  smallTokens,
  softrepa,
  start,
  succeeds,
} from "../../testing/cli/support.js";
import { captions } from "../../testing/pipelines/support.js";

const at = await scratchFolder();
const quick = ["generate", ...model, "--steps", "4", "--seed", "7", "--width", "48", "--height", "48"];
const tokens = ["--tokens", at("tokens.safetensors")];
/** Makes `name`.png and reads its pixels. */
const make = async (name: string, ...more: readonly string[]) => {
  const prompt = more.some((word) => /^--prompts?$/.test(word)) ? [] : ["--prompt", captions[0]];
  await succeeds(...quick, ...prompt, "--out", at(`${name}.png`), ...more);
  return pixelsOf(at(`${name}.png`)).catch(() => null);
};
const settingsOf = async (file: string) => JSON.parse((await readPngText(file)).softrepa);
const bytes = (name: string) => readFile(at(name));

describe("softrepa generate", () => {
  before(() => writeSoftTokens(at("tokens.safetensors"), smallTokens(), "softrepa"));

  it("writes the same bytes for the same seed, and different pixels for another seed", async () => {
    const plain = await make("plain");
    assert.deepEqual([plain?.width, plain?.height], [48, 48]);
    await make("two", "--images", "2");
    assert.deepEqual(await bytes("two-0001.png"), await bytes("plain.png"));
    assert.notDeepEqual((await pixelsOf(at("two-0002.png"))).data, plain?.data);
  });

  it("scales soft tokens by their strength; 0 turns them off", async () => {
    const plain = await pixelsOf(at("plain.png"));
    const full = await make("full", ...tokens);
    assert.deepEqual((await make("none", ...tokens, "--strength", "0"))?.data, plain.data);
    const half = await make("half", ...tokens, "--strength", "0.5");
    for (const [a, b] of [
      [full, plain],
      [half, plain],
      [half, full],
    ]) {
      assert.notDeepEqual(a?.data, b?.data);
    }
  });

  it("generates several images of several prompts, with nearly the same pixels one by one, in batches of three and with repacked weights", async () => {
    await writeFile(at("prompts.txt"), `# two\n${captions[0]}\n${captions[1]}\n`);
    const many = ["--prompts", at("prompts.txt"), "--images", "2"];
    const reported = await events(...quick, ...many, "--out", at("one"));
    await succeeds(...quick, ...many, "--out", at("three"), "--batch", "3", "--repack");
    const names = ["image-0001.png", "image-0002.png", "image-0003.png", "image-0004.png"];
    assert.deepEqual([await namesIn(at("one")), await namesIn(at("three"))], [names, names]);
    assert.deepEqual(
      reported.filter(({ event }) => event === "image").map(({ file, prompt, seed }) => [file, prompt, seed]),
      names.map((name, index) => [at("one", name), captions[index < 2 ? 0 : 1], 7 + (index % 2)]),
    );
    assert.deepEqual(await bytes("one/image-0001.png"), await bytes("plain.png"));
    for (const name of names) {
      const [one, three] = [await pixelsOf(at("one", name)), await pixelsOf(at("three", name))];
      const most = one.data.reduce((worst, level, i) => Math.max(worst, Math.abs(level - three.data[i])), 0);
      assert.ok(most <= 1, `${name}: ${most} of 255`);
    }
  });

  it("respects size, negative prompt and guidance", async () => {
    const plain = await pixelsOf(at("plain.png"));
    const wide = await make("wide", "--width", "64", "--height", "24");
    assert.deepEqual([wide?.width, wide?.height, wide?.data.length], [64, 24, 64 * 24 * 3]);
    assert.notDeepEqual((await make("away", "--negative", captions[2]))?.data, plain.data);
    const unguided = await make("unguided", "--guidance", "1");
    assert.notDeepEqual(unguided?.data, plain.data);
  });

  it("stores all settings in the image, as JSON and in the format that galleries read", async () => {
    const expected = {
      prompt: captions[0],
      seed: 7,
      model: "pipeline",
      negative: "",
      steps: 4,
      guidance: 4,
      width: 48,
      height: 48,
      sampler: "Flow Match Euler",
      provider: "cpu",
      maxSequenceLength: 24,
    };
    assert.deepEqual(await settingsOf(at("plain.png")), expected);
    const half = { ...expected, tokens: "tokens.safetensors", strength: 0.5 };
    assert.deepEqual(await settingsOf(at("half.png")), half);
    assert.deepEqual(await settingsOf(at("away.png")), { ...expected, negative: captions[2] });
    assert.equal((await settingsOf(at("one", "image-0004.png"))).seed, 8);
    const { parameters } = await readPngText(at("half.png"));
    assert.deepEqual(parameters.split("\n"), [
      captions[0],
      "Steps: 4, Sampler: Flow Match Euler, CFG scale: 4, Seed: 7, Size: 48x48, Model: pipeline, Soft tokens: tokens.safetensors, Strength: 0.5",
    ]);
    assert.equal((await readPngText(at("away.png"))).parameters.split("\n")[1], `Negative prompt: ${captions[2]}`);
  });

  it("reports and stores a random seed", async () => {
    const [reported] = (await events(...quick, "--prompt", "x", "--out", at("random.png"), "--seed", "-1")).slice(-1);
    assert.ok(Number.isInteger(reported.seed));
    assert.equal((await settingsOf(at("random.png"))).seed, reported.seed);
  });

  it("warns about a truncated prompt, and generates the image", async () => {
    const long = Array.from({ length: 30 }, (_, index) => `a ball and box ${"abcdefghij"[index % 10]}`).join(" ");
    const args = [...quick, "--prompt", `${long} end.`, "--out", at("long.png")];
    const { code, stderr } = await softrepa(args);
    assert.equal(code, 0, stderr);
    const warnings = stderr.split("\n").filter((line) => line.startsWith("softrepa: warning: "));
    assert.equal(warnings.length, 2);
    assert.match(
      warnings[0],
      /the prompt "a ball and box .*\.\.\." is over the 77 tokens that CLIP reads; cut off: ".+end ?\."$/,
    );
    assert.match(warnings[1], /is over the 24 tokens that T5 reads; cut off: ".+"$/);
  });

  it("keeps complete images when interrupted, and exits with 130", async () => {
    const child = start([...quick, "--prompt", "x", "--images", "500", "--out", at("stopped"), "--json"]);
    const ended = outcomeOf(child);
    await eventFrom(child, "image");
    child.kill("SIGINT");
    const { code, signal, stdout, stderr } = await ended;
    assert.deepEqual([code, signal, stderr], [130, null, "softrepa: interrupted\n"]);
    const reported = eventsOf(stdout).filter(({ event }) => event === "image");
    const names = await namesIn(at("stopped"));
    assert.ok(names.length >= 1 && names.length < 500);
    assert.deepEqual(
      reported.map(({ file }) => file),
      names.map((name) => at("stopped", name)),
    );
    for (const name of names) assert.equal((await pixelsOf(at("stopped", name))).width, 48);
  });

  it("does not overwrite an image without --force", async () => {
    await copyFile(at("plain.png"), at("kept.png"));
    const { code, stderr } = await softrepa([...quick, "--prompt", "x", "--out", at("kept.png")]);
    assert.equal(code, 1);
    assert.match(stderr, /^softrepa: .*kept\.png exists; [^\n]*--force\n$/);
    assert.deepEqual(await bytes("kept.png"), await bytes("plain.png"));
  });
});
