import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import sharp from "sharp";
import { evenTimesteps } from "../../evaluation/pairing.js";
import { machine, optionsOf, rejectionOf, temporaryFolder } from "../../testing/cli/command-options.js";
import { failureOf } from "../failure.js";
import { createProgram } from "../program.js";
import { dataCommand } from "./data.js";
import { generateCommand } from "./generate.js";
import { scoreCommand } from "./score.js";

test("data check: reads a path and its options", async () => {
  const optionsOfCheck = async (...args: string[]) => {
    const seen: unknown[] = [];
    const command = dataCommand(async (options) => {
      seen.push(options);
    });
    await createProgram([command]).parseAsync(["data", "check", ...args], { from: "user" });
    return seen[0];
  };
  const defaults = { model: undefined, maxSequenceLength: undefined, similarity: 0.8, show: 10, json: false };
  assert.deepEqual(await optionsOfCheck("photos"), { path: "photos", ...defaults });
  assert.deepEqual(await optionsOfCheck("--similarity", "0.5", "a b", "--model", "m", "--show", "3", "--json"), {
    ...{ path: "a b", ...defaults, similarity: 0.5, model: "m", show: 3, json: true },
  });
  for (const args of [[], ["a", "b"], ["a", "--similarity", "2"], ["a", "--foo"]]) {
    await assert.rejects(optionsOfCheck(...args), (error) => failureOf(error)?.exitCode === 2);
  }
});

test("generate: fills in defaults and a random seed", async (t) => {
  const file = join(await temporaryFolder(t), "new", "out.png");
  const { jobs, ...options } = await optionsOf(generateCommand, ["--model", "m", "--prompt", "a cat", "--out", file]);
  assert.deepEqual(options, {
    ...{ model: "m", negative: "", maxSequenceLength: undefined, tokens: undefined, strength: 1, steps: undefined },
    force: false,
    ...{
      scheduler: undefined,
      guidance: undefined,
      width: undefined,
      height: undefined,
      batch: 1,
      repack: false,
      ...machine,
    },
  });
  const seed = jobs[0]?.seed ?? -1;
  assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31);
  assert.deepEqual(jobs, [{ prompt: "a cat", seed, file }]);
  const again = await optionsOf(generateCommand, ["--model", "m", "--prompt", "x", "--out", file, "--seed", "-1"]);
  assert.notEqual(again.jobs[0]?.seed, seed);
});

test("generate: seeds count up from image to image, and start again for each prompt", async (t) => {
  const folder = await temporaryFolder(t);
  const typed = ["--model", "m", "--prompt", "a", "--prompt", "--b", "--images", "2", "--seed", "4294967295"];
  const named = await optionsOf(generateCommand, [...typed, "--out", join(folder, "x.PNG")]);
  assert.deepEqual(named.jobs, [
    { prompt: "a", seed: 4294967295, file: join(folder, "x-0001.PNG") },
    { prompt: "a", seed: 0, file: join(folder, "x-0002.PNG") },
    { prompt: "--b", seed: 4294967295, file: join(folder, "x-0003.PNG") },
    { prompt: "--b", seed: 0, file: join(folder, "x-0004.PNG") },
  ]);
  await writeFile(join(folder, "prompts.txt"), "\ufeff# mine\r\na cat # on a mat\n\n  two dogs  \n");
  const prompts = ["--model", "m", "--prompts", join(folder, "prompts.txt"), "--seed", "7"];
  const inFolder = await optionsOf(generateCommand, [...prompts, "--out", join(folder, "sd3.5")]);
  assert.deepEqual(inFolder.jobs, [
    { prompt: "a cat # on a mat", seed: 7, file: join(folder, "sd3.5", "image-0001.png") },
    { prompt: "two dogs", seed: 7, file: join(folder, "sd3.5", "image-0002.png") },
  ]);
});

test("generate: rejects wrong options", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "there.png"), "x");
  await writeFile(join(folder, "x-0002.png"), "x");
  await writeFile(join(folder, "empty.txt"), "# nothing\n");
  const out = join(folder, "new.png");
  const cases: [string[], RegExp][] = [
    [["--out", out], /^2 a prompt is missing: give --prompt or --prompts$/],
    [["--out", out, "--prompt", "a", "--prompts", "f"], /^2 --prompt and --prompts exclude each other$/],
    [["--out", out, "--prompts", join(folder, "no.txt")], /^1 cannot read .*no\.txt: ENOENT/],
    [["--out", out, "--prompts", join(folder, "empty.txt")], /^1 .*empty\.txt holds no prompt$/],
    [["--out", out, "--prompt", "a", "--strength", "0.5"], /^2 --strength needs --tokens$/],
    [
      ["--out", out, "--prompt", "a", "--tokens", "t", "--strength", "1.5"],
      /^2 --strength must be a number from 0 to 1/,
    ],
    [["--out", out, "--prompt", "a", "--seed", "1.5"], /^2 --seed must be a whole number of at most 64 bits/],
    [["--out", out, "--prompt", "a", "--seed", "18446744073709551616"], /^2 --seed must be a whole number of at most/],
    [
      ["--out", out, "--prompt", "a", "--scheduler", "dpm"],
      /^2 --scheduler must be one of ddim, pndm, euler, .*, not "dpm"$/,
    ],
    [["--out", "a.jpg", "--prompt", "a"], /^2 images are written as PNG; --out a\.jpg must end in \.png/],
    [["--out", join(folder, "there.png"), "--prompt", "a"], /^1 .*there\.png exists; .* --force$/],
    [["--out", join(folder, "x.png"), "--prompt", "a", "--images", "2"], /^1 .*x-0002\.png exists/],
    [["--out", join(folder, "there.png", "in"), "--prompt", "a"], /^1 cannot write into .*there\.png is not a folder$/],
    [["--out", join(folder, "there.png"), "--prompt", "a", "--force"], /^accepted$/],
  ];
  for (const [args, message] of cases)
    assert.match(await rejectionOf(generateCommand, ["--model", "m", ...args]), message);
});

test("score: matches captions to images by order if there are equally many", async (t) => {
  const folder = await imageFolder(t);
  const [a, b] = [join(folder, "a.png"), join(folder, "b.png")];
  const args = ["--model", "m", "--images", a, b, "--captions", "a cat", "a dog"];
  const scored = await optionsOf(scoreCommand, args);
  const idsOf = ({ images }: (typeof scored)["pairs"]) => images.map(({ id }) => id);
  assert.deepEqual(
    { ...scored, pairs: { ...scored.pairs, images: idsOf(scored.pairs) } },
    {
      ...{
        model: "m",
        tokens: undefined,
        strength: 1,
        force: false,
        noises: 1,
        seed: 0,
        resolution: undefined,
        chunk: undefined,
      },
      ...{ maxSequenceLength: undefined, timesteps: [63, 188, 313, 438, 563, 688, 813, 938], ...machine },
      information: false,
      pairs: { images: [a, b], captions: ["a cat", "a dog"], own: [[0], [1]] },
    },
  );
  await writeFile(join(folder, "captions.txt"), "one\ntwo\nthree\n");
  const file = ["--model", "m", "--images", folder, "--captions-file", join(folder, "captions.txt")];
  const unequal = await optionsOf(scoreCommand, [...file, "--timesteps", "250,500,750"]);
  assert.deepEqual(idsOf(unequal.pairs), [a, b]);
  assert.deepEqual(
    [unequal.pairs.captions, unequal.pairs.own],
    [
      ["one", "two", "three"],
      [[], []],
    ],
  );
  assert.deepEqual(unequal.timesteps, [250, 500, 750]);
  assert.deepEqual((await optionsOf(scoreCommand, [...args, "--timesteps", "500,"])).timesteps, [500]);
});

test("score: reads the captions of a data folder, equal ones once", async (t) => {
  const folder = await imageFolder(t);
  await writeFile(join(folder, "a.txt"), "a cat\nan animal");
  await writeFile(join(folder, "b.txt"), "an animal\na dog");
  const { pairs } = await optionsOf(scoreCommand, ["--model", "m", "--data", folder]);
  const own = [
    [0, 1],
    [1, 2],
  ];
  assert.deepEqual(pairs.captions, ["a cat", "an animal", "a dog"]);
  assert.deepEqual(pairs.own, own);
});

test("score: rejects wrong options", async (t) => {
  const folder = await imageFolder(t);
  await writeFile(join(folder, "note.png"), "no image");
  await mkdir(join(folder, "empty"));
  const [a, captions] = [join(folder, "a.png"), ["--captions", "x"]];
  const cases: [string[], RegExp][] = [
    [captions, /^2 images are missing: give --images or --data$/],
    [["--images", a], /^2 captions are missing/],
    [["--images", a, ...captions, "--captions-file", "f"], /^2 --captions and --captions-file exclude each other$/],
    [["--data", folder, ...captions], /^2 --data has its own captions/],
    [["--images", join(folder, "no.png"), ...captions], /^1 cannot read image .*no\.png: ENOENT/],
    [["--images", join(folder, "note.png"), ...captions], /^1 .*note\.png is not a png, jpeg or webp image/],
    [["--images", join(folder, "empty"), ...captions], /^1 .*empty holds no png, jpeg or webp image$/],
    [["--images", a, ...captions, "--timesteps", "0"], /^2 --timesteps must be a count, or a list such as/],
    [["--images", a, ...captions, "--timesteps", "5,1000"], /^2 --timesteps must be/],
    [["--images", a, ...captions, "--timesteps", "1e9"], /^2 --timesteps must be/],
    [["--images", a, ...captions, "--timesteps", "99999999999"], /^2 --timesteps must be/],
    [["--images", a, ...captions, "--strength", "0"], /^2 --strength needs --tokens$/],
  ];
  for (const [args, message] of cases)
    assert.match(await rejectionOf(scoreCommand, ["--model", "m", ...args]), message);
});

test("evenly spaced timesteps stay within 1..999", () => {
  assert.deepEqual(evenTimesteps(1), [500]);
  for (const count of [2, 10, 333, 999]) {
    const steps = evenTimesteps(count);
    assert.equal(new Set(steps).size, count);
    assert.ok(steps.every((step) => step >= 1 && step <= 999));
  }
});

async function imageFolder(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  const image = sharp({ create: { width: 2, height: 2, channels: 3, background: "red" } }).png();
  for (const name of ["b.png", "a.png"]) await writeFile(join(folder, name), await image.clone().toBuffer());
  return folder;
}
