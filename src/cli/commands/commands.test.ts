import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Command } from "commander";
import sharp from "sharp";
import type { CommandRun } from "../context.js";
import { failureOf } from "../failure.js";
import { createProgram } from "../program.js";
import { generateCommand } from "./generate.js";
import { evenTimesteps, scoreCommand } from "./score.js";
import { trainCommand } from "./train.js";

/** The options that a command line comes to. */
async function optionsOf<Options>(build: (run: CommandRun<Options>) => Command, args: string[]): Promise<Options> {
  const seen: Options[] = [];
  const command = build(async (options) => {
    seen.push(options);
  });
  await createProgram([command]).parseAsync([command.name(), ...args], { from: "user" });
  assert.ok(seen[0] !== undefined);
  return seen[0];
}

/** Exit code and message of a command line that is refused. */
async function refusalOf<Options>(build: (run: CommandRun<Options>) => Command, args: string[]): Promise<string> {
  try {
    await optionsOf(build, args);
  } catch (error) {
    const failure = failureOf(error);
    return `${failure?.exitCode} ${failure?.message}`;
  }
  return "accepted";
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "softrepa-cli-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const machine = {
  ...{ engine: "auto", precision: "auto" },
  ...{ provider: "auto", threads: undefined, variant: undefined, tokenizer: [], textEncoders: undefined, json: false },
};

test("train: defaults", async (t) => {
  const out = join(await temporaryFolder(t), "run");
  assert.deepEqual(await optionsOf(trainCommand, ["--model", "m", "--data", "d", "--out", out]), {
    model: "m",
    data: "d",
    out,
    force: false,
    initTokens: undefined,
    layers: undefined,
    tokens: 4,
    buckets: 100,
    width: "projected",
    stages: undefined,
    steps: 5000,
    batch: 4,
    lr: 1e-3,
    weightDecay: 1e-4,
    restartPeriod: 10,
    schedulerEvery: 500,
    minLr: 1e-5,
    seed: 0,
    temperature: 0.07,
    scale: 4,
    objective: "softrepa",
    dweight: undefined,
    resolution: undefined,
    maxSequenceLength: undefined,
    chunk: undefined,
    saveEvery: 500,
    logEvery: 10,
    ...machine,
  });
});

test("train: every option is read", async (t) => {
  const out = join(await temporaryFolder(t), "run");
  const typed = `--model m --data d --out ${out} --force --layers 2 --tokens 3 --buckets 10 --width raw --stages up,down --steps 7
    --batch 8 --lr 2e-3 --weight-decay 0 --restart-period 3 --scheduler-every 4 --min-lr .5e-5 --seed 9
    --objective score-matching --temperature 0.1 --scale 2 --dweight 10 --resolution 512 --max-sequence-length 77 --chunk 6 --save-every 0
    --log-every 1 --engine onnxruntime --precision fp32 --provider cpu --threads 2 --variant fp16 --tokenizer a
    --tokenizer b --text-encoders c --json`;
  assert.deepEqual(await optionsOf(trainCommand, typed.split(/\s+/)), {
    ...{ model: "m", data: "d", out, force: true, initTokens: undefined },
    ...{
      layers: 2,
      tokens: 3,
      buckets: 10,
      width: "raw",
      stages: ["down", "up"],
      steps: 7,
      batch: 8,
      lr: 2e-3,
      weightDecay: 0,
    },
    ...{ restartPeriod: 3, schedulerEvery: 4, minLr: 5e-6, seed: 9, temperature: 0.1, scale: 2, dweight: 10 },
    objective: "score-matching",
    ...{ resolution: 512, maxSequenceLength: 77, chunk: 6, saveEvery: 0, logEvery: 1 },
    ...{ engine: "onnxruntime", precision: "fp32" },
    ...{ provider: "cpu", threads: 2, variant: "fp16", tokenizer: ["a", "b"], textEncoders: "c", json: true },
  });
});

test("train: values out of range and combinations that make no sense are wrong usage", async (t) => {
  const folder = await temporaryFolder(t);
  const cases: [string, RegExp][] = [
    ["--steps 0", /^2 --steps must be a whole number of at least 1, not "0"$/],
    ["--steps 1.5", /^2 --steps must be a whole number/],
    ["--steps 0x10", /^2 --steps must be a whole number/],
    ["--batch 1", /^2 --batch must be a whole number from 2 to 4096/],
    ["--lr 0", /^2 --lr must be a number above 0, not "0"$/],
    ["--lr fast", /^2 --lr must be a number above 0, not "fast"$/],
    ["--lr 1e999", /^2 --lr must be a number above 0/],
    ["--weight-decay -1", /^2 --weight-decay must be a number of at least 0/],
    ["--seed 4294967296", /^2 --seed must be a whole number from 0 to 4294967295/],
    ["--resolution 0", /^2 --resolution must be a whole number from 1 to 8192, not "0"$/],
    ["--provider gpu", /^2 --provider must be one of auto, cpu, webgpu, cuda, dml, coreml, not "gpu"$/],
    ["--width wide", /^2 --width must be one of raw, projected/],
    ["--stages side", /^2 --stages must be one or more of down, mid, up, such as down,mid, not "side"$/],
    ["--lr 1e-6", /^2 --min-lr 0.00001 is above --lr 0.000001$/],
    ["--init-tokens t --layers 5", /^2 --layers cannot be chosen with --init-tokens/],
    ["--chunk", /^2 option '--chunk <n>' argument missing$/],
    ["--foo", /^2 unknown option '--foo'$/],
    ["--tempertaure 1", /^2 unknown option '--tempertaure' \(Did you mean --temperature\?\)$/],
    ["stray", /^2 too many arguments for 'train'/],
  ];
  for (const [typed, message] of cases) {
    const args = ["--model", "m", "--data", "d", "--out", join(folder, "run"), ...typed.split(" ")];
    assert.match(await refusalOf(trainCommand, args), message);
  }
  assert.match(await refusalOf(trainCommand, ["--data", "d", "--out", "o"]), /^2 required option '--model <path>' not/);
});

test("train: a run folder that is not empty or cannot be written is refused before anything is loaded", async (t) => {
  const folder = await temporaryFolder(t);
  const train = (out: string, ...more: string[]) =>
    refusalOf(trainCommand, ["--model", "m", "--data", "d", "--out", out, ...more]);
  await mkdir(join(folder, "empty"));
  await writeFile(join(folder, "file"), "x");
  assert.equal(await train(join(folder, "empty")), "accepted");
  assert.match(await train(folder), /^1 run folder .* is not empty; .* --force$/);
  assert.equal(await train(folder, "--force"), "accepted");
  assert.match(await train(join(folder, "file", "run")), /^1 cannot write into .*run: .*file is not a folder$/);
  assert.match(await train(join(folder, "file"), "--force"), /^1 cannot write into .*file: .*file is not a folder$/);
});

test("generate: defaults, and a random seed", async (t) => {
  const file = join(await temporaryFolder(t), "new", "out.png");
  const { jobs, ...options } = await optionsOf(generateCommand, ["--model", "m", "--prompt", "a cat", "--out", file]);
  assert.deepEqual(options, {
    ...{ model: "m", negative: "", maxSequenceLength: undefined, tokens: undefined, strength: 1, steps: undefined },
    ...{ scheduler: undefined, guidance: undefined, width: undefined, height: undefined, batch: 1, ...machine },
  });
  const seed = jobs[0]?.seed ?? -1;
  assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31);
  assert.deepEqual(jobs, [{ prompt: "a cat", seed, file }]);
  const again = await optionsOf(generateCommand, ["--model", "m", "--prompt", "x", "--out", file, "--seed", "-1"]);
  assert.notEqual(again.jobs[0]?.seed, seed);
});

test("generate: several prompts and images; seeds count up and start over for each prompt", async (t) => {
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

test("generate: what is refused", async (t) => {
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
    [["--out", out, "--prompt", "a", "--seed", "-2"], /^2 --seed must be a whole number from -1 to 4294967295/],
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
    assert.match(await refusalOf(generateCommand, ["--model", "m", ...args]), message);
});

test("score: images and captions, own ones by order where there are as many", async (t) => {
  const folder = await imageFolder(t);
  const [a, b] = [join(folder, "a.png"), join(folder, "b.png")];
  const args = ["--model", "m", "--images", a, b, "--captions", "a cat", "a dog"];
  assert.deepEqual(await optionsOf(scoreCommand, args), {
    ...{ model: "m", tokens: undefined, strength: 1, noises: 1, seed: 0, resolution: undefined, chunk: undefined },
    ...{ maxSequenceLength: undefined, timesteps: [63, 188, 313, 438, 563, 688, 813, 938], ...machine },
    information: false,
    pairs: { images: [a, b], captions: ["a cat", "a dog"], own: [[0], [1]] },
  });
  await writeFile(join(folder, "captions.txt"), "one\ntwo\nthree\n");
  const file = ["--model", "m", "--images", folder, "--captions-file", join(folder, "captions.txt")];
  const unequal = await optionsOf(scoreCommand, [...file, "--timesteps", "250,500,750"]);
  assert.deepEqual(unequal.pairs, { images: [a, b], captions: ["one", "two", "three"], own: [[], []] });
  assert.deepEqual(unequal.timesteps, [250, 500, 750]);
  assert.deepEqual((await optionsOf(scoreCommand, [...args, "--timesteps", "500,"])).timesteps, [500]);
});

test("score: a data folder brings its captions, equal ones once", async (t) => {
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

test("score: what is refused", async (t) => {
  const folder = await imageFolder(t);
  await writeFile(join(folder, "note.png"), "no image");
  await mkdir(join(folder, "empty"));
  const [a, captions] = [join(folder, "a.png"), ["--captions", "x"]];
  const cases: [string[], RegExp][] = [
    [captions, /^2 images are missing: give --images or --data$/],
    [["--images", a], /^2 captions are missing/],
    [["--images", a, ...captions, "--captions-file", "f"], /^2 --captions and --captions-file exclude each other$/],
    [["--data", folder, ...captions], /^2 --data brings its own captions/],
    [["--images", join(folder, "no.png"), ...captions], /^1 cannot read image .*no\.png: ENOENT/],
    [["--images", join(folder, "note.png"), ...captions], /^1 .*note\.png is not a png, jpeg or webp image/],
    [["--images", join(folder, "empty"), ...captions], /^1 .*empty holds no png, jpeg or webp image$/],
    [["--images", a, ...captions, "--timesteps", "0"], /^2 --timesteps must be a count, or a list such as/],
    [["--images", a, ...captions, "--timesteps", "5,1000"], /^2 --timesteps must be/],
    [["--images", a, ...captions, "--timesteps", "1e9"], /^2 --timesteps must be/],
    [["--images", a, ...captions, "--timesteps", "99999999999"], /^2 --timesteps must be/],
    [["--images", a, ...captions, "--strength", "0"], /^2 --strength needs --tokens$/],
  ];
  for (const [args, message] of cases) assert.match(await refusalOf(scoreCommand, ["--model", "m", ...args]), message);
});

test("evenly spaced timesteps stay inside 1..999", () => {
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
