import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { machine, optionsOf, rejectionOf, temporaryFolder } from "../../testing/cli/command-options.js";
import { trainCommand } from "./train.js";

/** The options of a command line as a flat object. */
async function trained(args: string[]) {
  const { spec, ...rest } = await optionsOf(trainCommand, args);
  return { ...spec, ...rest };
}

/** Omits undefined values. */
function defined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

test("train: fills in defaults", async (t) => {
  const out = join(await temporaryFolder(t), "run");
  assert.deepEqual(
    await trained(["--model", "m", "--data", "d", "--out", out]),
    defined({
      model: "m",
      data: [{ path: "d", weight: undefined }],
      skipUnusable: false,
      crop: "center",
      flip: false,
      out,
      force: false,
      ...{ config: undefined, preset: undefined, resume: false, dryRun: false },
      ...{ holdOut: 0, validation: undefined, validateEvery: undefined },
      ...{ samplePrompts: [], sampleEvery: undefined, sampleSeed: 0, sampleSteps: undefined },
      ...{ sampleGuidance: undefined, sampleSize: undefined },
      ...{ epochs: undefined, keepLast: 5, best: "loss", tensorboard: false },
      initTokens: undefined,
      layers: undefined,
      tokens: 4,
      buckets: 100,
      width: "projected",
      stages: undefined,
      steps: undefined,
      batch: 4,
      learningRate: 1e-3,
      weightDecay: 1e-4,
      restartPeriod: 10,
      schedulerEvery: 500,
      minimumLearningRate: 1e-5,
      seed: 0,
      temperature: 0.07,
      scale: 4,
      objective: "softrepa",
      dweight: undefined,
      resolution: undefined,
      maxSequenceLength: undefined,
      pairsPerRun: undefined,
      ...{ checkpoints: "auto", repack: "auto", memory: undefined },
      ...{ captionWindow: undefined, latentsCache: undefined, latentsCacheLimit: 20e9 },
      saveEvery: 500,
      logEvery: 10,
      ...machine,
    }),
  );
});

test("train: reads every option", async (t) => {
  const out = join(await temporaryFolder(t), "run");
  const typed = `--model m --data d --data e=.5 f --crop center --flip --caption-window 9 --latents-cache kept --latents-cache-limit 1.5GiB --skip-unusable --out ${out} --force --layers 2 --tokens 3 --buckets 10 --width raw --stages up,down --steps 7
    --batch 8 --lr 2e-3 --weight-decay 0 --restart-period 3 --scheduler-every 4 --min-lr .5e-5 --seed 9
    --objective score-matching --temperature 0.1 --scale 2 --dweight 10 --resolution 512 --max-sequence-length 77 --chunk 6 --checkpoints never --repack always --memory 8GB --save-every 0
    --hold-out 8 --validate-every 3 --sample-prompt a_cat --sample-prompt a_dog --sample-every 5 --sample-seed 6
    --sample-steps 3 --sample-guidance 2 --sample-size 64 --keep-last 0 --best rank1 --tensorboard
    --log-every 1 --engine onnxruntime --precision fp32 --provider cpu --threads 2 --variant fp16 --tokenizer a
    --tokenizer b --text-encoders c --json`;
  assert.deepEqual(
    await trained(typed.split(/\s+/)),
    defined({
      ...{ model: "m", out, force: true, initTokens: undefined },
      data: [
        { path: "d", weight: undefined },
        { path: "e", weight: 0.5 },
        { path: "f", weight: undefined },
      ],
      ...{ crop: "center", flip: true, skipUnusable: true },
      ...{ captionWindow: 9, latentsCache: "kept", latentsCacheLimit: 1.5 * 2 ** 30 },
      ...{ config: undefined, preset: undefined, resume: false, dryRun: false, epochs: undefined },
      ...{ holdOut: 8, validation: undefined, validateEvery: 3, keepLast: 0, best: "rank1", tensorboard: true },
      ...{ samplePrompts: ["a_cat", "a_dog"], sampleEvery: 5, sampleSeed: 6, sampleSteps: 3 },
      ...{ sampleGuidance: 2, sampleSize: 64 },
      ...{
        layers: 2,
        tokens: 3,
        buckets: 10,
        width: "raw",
        stages: ["down", "up"],
        steps: 7,
        batch: 8,
        learningRate: 2e-3,
        weightDecay: 0,
      },
      ...{
        restartPeriod: 3,
        schedulerEvery: 4,
        minimumLearningRate: 5e-6,
        seed: 9,
        temperature: 0.1,
        scale: 2,
        dweight: 10,
      },
      objective: "score-matching",
      ...{
        resolution: 512,
        maxSequenceLength: 77,
        pairsPerRun: 6,
        ...{ checkpoints: "never", repack: "always" },
        memory: 8e9,
        saveEvery: 0,
        logEvery: 1,
      },
      ...{
        engine: "onnxruntime",
        provider: "cpu",
        precision: "fp32",
        threads: 2,
        variant: "fp16",
        tokenizers: ["a", "b"],
        textEncoders: "c",
        json: true,
      },
    }),
  );
});

test("train: treats an existing path as a path, even if it ends in = and a number", async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, "split=1"));
  const args = [
    "--model",
    "m",
    "--out",
    join(folder, "run"),
    "--data",
    join(folder, "split=1"),
    join(folder, "split=2"),
  ];
  assert.deepEqual((await trained(args)).data, [
    { path: join(folder, "split=1"), weight: undefined },
    { path: join(folder, "split"), weight: 2 },
  ]);
  assert.match(
    await rejectionOf(trainCommand, args.slice(0, 4)),
    /^2 required option '--data <path...>' not specified$/,
  );
});

test("train: rejects values out of range and impossible combinations", async (t) => {
  const folder = await temporaryFolder(t);
  const cases: [string, RegExp][] = [
    ["--steps 0", /^2 --steps must be a whole number of at least 1, not "0"$/],
    [
      "--latents-cache c --latents-cache-limit 20",
      /^2 --latents-cache-limit must be a size with its unit, such as 8GB or 6000MB, not/,
    ],
    ["--latents-cache-limit 1GB", /^2 --latents-cache-limit needs --latents-cache$/],
    ["--latents-cache c --crop random", /^2 --latents-cache has no effect with --crop random/],
    ["--caption-window 0", /^2 --caption-window must be a whole number of at least 1, not "0"$/],
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
    ["--data d=0", /^2 --data d=0: the weight must be a number above 0, such as d=0\.3, not "0"$/],
    ["--data d=much", /^2 --data d=much: the weight must be/],
    ["--data d=-1", /^2 --data d=-1: the weight must be/],
    ["--data d=", /^2 --data d=: the weight must be/],
    ["--crop left", /^2 --crop must be one of center, random, not "left"$/],
    ["--steps 5 --epochs 2", /^2 --steps and --epochs exclude each other$/],
    ["--hold-out 4 --validation v", /^2 --hold-out and --validation exclude each other$/],
    ["--validate-every 4", /^2 --validate-every needs --hold-out or --validation$/],
    ["--sample-every 4", /^2 --sample-every needs --sample-prompt or --sample-prompts$/],
    ["--preset flux", /^2 --preset must be one of sd15, sdxl, sd3, not "flux"$/],
    ["--init-tokens t --layers 5", /^2 --layers cannot be given with --init-tokens/],
    ["--chunk", /^2 option '--chunk <n>' argument missing$/],
    ["--memory 8", /^2 --memory must be a size with its unit, such as 8GB or 6000MB, not "8"$/],
    ["--foo", /^2 unknown option '--foo'$/],
    ["--tempertaure 1", /^2 unknown option '--tempertaure' \(Did you mean --temperature\?\)$/],
    ["stray", /^2 too many arguments for 'train'/],
  ];
  for (const [typed, message] of cases) {
    const args = ["--model", "m", "--data", "d", "--out", join(folder, "run"), ...typed.split(" ")];
    assert.match(await rejectionOf(trainCommand, args), message);
  }
  assert.match(
    await rejectionOf(trainCommand, ["--data", "d", "--out", "o"]),
    /^2 required option '--model <path>' not/,
  );
});

test("train: rejects a run folder that is not empty or not writable before loading anything", async (t) => {
  const folder = await temporaryFolder(t);
  const train = (out: string, ...more: string[]) =>
    rejectionOf(trainCommand, ["--model", "m", "--data", "d", "--out", out, ...more]);
  await mkdir(join(folder, "empty"));
  await writeFile(join(folder, "file"), "x");
  assert.equal(await train(join(folder, "empty")), "accepted");
  assert.match(await train(folder), /^1 run folder .* is not empty; .* --force$/);
  assert.equal(await train(folder, "--force"), "accepted");
  assert.match(await train(join(folder, "file", "run")), /^1 cannot write into .*run: .*file is not a folder$/);
  assert.match(await train(join(folder, "file"), "--force"), /^1 cannot write into .*file: .*file is not a folder$/);
});

/** Writes a configuration and returns a command line with it. */
async function configured(folder: string, lines: readonly string[], ...more: readonly string[]) {
  const file = join(folder, "c.yaml");
  await writeFile(file, `${lines.join("\n")}\n`);
  return ["--config", file, "--out", join(folder, "run"), ...more];
}
const least = ["model: m", "data: d"];

test("train: flags override a configuration file, which overrides defaults", async (t) => {
  const folder = await temporaryFolder(t);
  const lines = [
    ...[
      "# mine",
      "model: m",
      "data: [d, e=0.5, {path: f, weight: 2}, {path: g}]",
      "lr: 2.0e-4",
      "steps: 70",
      "flip: true",
    ],
    ...["stages: [up, down]", "sample-prompt: a cat", "chunk:", "max-sequence-length: 77", "tokenizer: [t1, t2]"],
  ];
  const options = await trained(await configured(folder, lines, "--steps", "9", "--seed", "4"));
  assert.deepEqual(options.data, [
    { path: "d", weight: undefined },
    { path: "e", weight: 0.5 },
    { path: "f", weight: 2 },
    { path: "g", weight: undefined },
  ]);
  const { learningRate, steps, flip, stages, samplePrompts, pairsPerRun, seed, batch } = options;
  const { maxSequenceLength, tokenizers } = options;
  assert.deepEqual(
    [learningRate, steps, flip, stages, samplePrompts, pairsPerRun],
    [2e-4, 9, true, ["down", "up"], ["a cat"], undefined],
  );
  assert.deepEqual([maxSequenceLength, tokenizers, seed, batch], [77, ["t1", "t2"], 4, 4]);
});

test("train: rejects a wrong configuration file with its line, and suggests the right name", async (t) => {
  const folder = await temporaryFolder(t);
  const cases: [readonly string[], RegExp][] = [
    [[...least, "tempertaure: 1"], /^1 .*c\.yaml:3: unknown key "tempertaure"; did you mean "temperature"\?$/],
    [[...least, "weight_decay: 1"], /:3: unknown key "weight_decay"; did you mean "weight-decay"\?$/],
    [[...least, "saveEvery: 1"], /did you mean "save-every"\?$/],
    [[...least, "learning_rate: 1"], /did you mean "lr"\?$/],
    [[...least, "batch_size: 4"], /did you mean "batch"\?$/],
    [[...least, "force: true"], /:3: unknown key "force"/],
    [[...least, "zzzzzzzz: 1"], /unknown key "zzzzzzzz"; see softrepa train --help$/],
    [[...least, "__proto__: 1"], /unknown key "__proto__"/],
    [["lr: fast", ...least], /:1: lr must be a number above 0, not "fast"$/],
    [[...least, "lr: '0.1'"], /:3: lr must be a number above 0, not "0\.1"$/],
    [[...least, "steps: 1.5"], /:3: steps must be a whole number of at least 1, not 1\.5$/],
    [[...least, "lr: .inf"], /:3: lr must be a number above 0, not Infinity$/],
    [[...least, "flip: 1"], /:3: flip must be true or false, not 1$/],
    [[...least, "stages: side"], /:3: stages must be one or more of down, mid, up/],
    [["model: m", "data: [{path: d, wieght: 2}]"], /:2: data must be a path/],
    [["model: m", "data: {path: d, weight: -2}"], /:2: data must be a path/],
    [["model: [m]", "data: d"], /:1: model must be a path, not \["m"\]$/],
    [["data: d"], /^2 required option '--model <path>' not specified$/],
    [["model: m"], /^2 required option '--data <path...>' not specified$/],
    [["- model"], /a configuration must be a YAML mapping with lines such as "steps: 500"$/],
    [["model: m", "model: n"], /:2: Map keys must be unique$/],
    [["model: ["], /^1 .*c\.yaml:\d: /],
    [["model: &a [*a]"], /^1 .*c\.yaml:1: /],
    [[...least, "steps: 5", "epochs: 1"], /^1 .*: --steps and --epochs exclude each other$/],
    [[...least, "layers: 5", "init-tokens: t"], /^1 .*: --layers cannot be given with --init-tokens/],
  ];
  for (const [lines, message] of cases) {
    assert.match(await rejectionOf(trainCommand, await configured(folder, lines)), message, lines.join("; "));
  }
  const args = await configured(folder, []);
  await writeFile(join(folder, "c.yaml"), Buffer.from("model: caf\xe9", "latin1"));
  assert.match(await rejectionOf(trainCommand, args), /^1 cannot read configuration .*c\.yaml: /);
  await writeFile(join(folder, "c.yaml"), Buffer.alloc(2 ** 20 + 1, "#"));
  assert.match(await rejectionOf(trainCommand, args), /has 1048577 bytes: this is not a configuration$/);
  assert.match(await rejectionOf(trainCommand, ["--config", folder, "--out", "x"]), /^1 cannot read configuration/);
});

test("train: presets have the settings of the paper, and are overridden by file and flags", async (t) => {
  const folder = await temporaryFolder(t);
  const paper = {
    ...{
      learningRate: 1e-3,
      weightDecay: 1e-4,
      restartPeriod: 10,
      schedulerEvery: 500,
      minimumLearningRate: 1e-5,
      batch: 4,
      tokens: 4,
    },
    ...{ temperature: 0.07, scale: 4, objective: "softrepa", steps: undefined },
  };
  const own = {
    sd3: { layers: 5, width: "projected", buckets: 100, dweight: 0, epochs: 2, stages: undefined },
    sd15: { layers: 1, buckets: 100, dweight: 10, epochs: 2, stages: ["down"] },
    sdxl: { layers: 1, buckets: 0, dweight: 10, epochs: 1, stages: ["down", "mid"] },
  };
  for (const [preset, settings] of Object.entries(own)) {
    const options = await trained(await configured(folder, least, "--preset", preset));
    for (const [name, value] of Object.entries({ ...paper, ...settings, preset })) {
      assert.deepEqual(options[name as keyof typeof options], value, `${preset} ${name}`);
    }
  }
  const lines = [...least, "preset: sdxl", "buckets: 50", "dweight: 3"];
  const options = await trained(await configured(folder, lines, "--dweight", "4", "--steps", "30"));
  const { buckets, dweight, steps, epochs, tokens, layers } = options;
  assert.deepEqual(
    { buckets, dweight, steps, epochs, tokens, layers },
    {
      ...{ buckets: 50, dweight: 4, steps: 30, epochs: undefined, tokens: 4, layers: 1 },
    },
  );
  // Steps or epochs of a file override both of the preset.
  const inFile = await trained(await configured(folder, [...least, "steps: 7"], "--preset", "sd3"));
  assert.deepEqual([inFile.steps, inFile.epochs], [7, undefined]);
  const typed = await trained(await configured(folder, [...least, "steps: 7"], "--epochs", "0.5"));
  assert.deepEqual([typed.steps, typed.epochs], [undefined, 0.5]);
});

test("train: --resume keeps the settings of the run, except those that do not affect results", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "config.yaml"), "model: m\ndata: d\nout: elsewhere\nsteps: 7\nlr: 0.5\n");
  const options = await trained(["--resume", folder, "--steps", "9", "--threads", "2", "--keep-last", "1"]);
  const { resume, out, steps, learningRate, threads, keepLast } = options;
  assert.deepEqual(
    { resume, out, steps, learningRate, threads, keepLast },
    {
      ...{ resume: true, out: folder, steps: 9, learningRate: 0.5, threads: 2, keepLast: 1 },
    },
  );
  for (const flag of [
    "--lr 1",
    "--data e",
    "--out x",
    "--seed 2",
    "--config c",
    "--force",
    "--batch 8",
    "--preset sd3",
  ]) {
    const rejection = await rejectionOf(trainCommand, ["--resume", folder, ...flag.split(" ")]);
    assert.match(
      rejection,
      new RegExp(`^2 ${flag.split(" ")[0]} cannot be given with --resume: a resumed run keeps its settings`),
    );
  }
  const nowhere = await rejectionOf(trainCommand, ["--resume", join(folder, "nowhere")]);
  assert.match(nowhere, /^1 cannot read configuration .*nowhere.config\.yaml: ENOENT/);
});
