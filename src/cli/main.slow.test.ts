import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { main, outcomeOf, softrepa } from "../testing/cli/support.js";

/** Runs a program of one command `x`, whose body is the given source; it sees `context`, `failures` and `sleep`. */
function program(body: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
  const modules = ["program", "context"].map((name) => new URL(`${name}.js`, import.meta.url).href);
  const source = `
    import { Command } from "commander";
    import { setTimeout as sleep } from "node:timers/promises";
    import { createProgram, runProgram } from ${JSON.stringify(modules[0])};
    import { inContext } from ${JSON.stringify(modules[1])};
    import * as failures from ${JSON.stringify(new URL("../core/errors.js", import.meta.url).href)};
    const json = process.argv.includes("--json");
    const command = new Command("x").option("--json").action(() => inContext(json, async (context) => { ${body} }));
    process.exitCode = await runProgram(createProgram([command]), ["x", ...process.argv.slice(1)]);`;
  return spawn(process.execPath, ["--input-type=module", "-e", source, "--", ...args], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    ...options,
  });
}

test("the built command can be executed", () => {
  assert.match(readFileSync(main, "utf8"), /^#!\/usr\/bin\/env node\n/);
  assert.ok(statSync(main).mode & 0o111, "dist/cli/main.js is not executable");
});

test("--version and --help exit with 0 and write to stdout", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  assert.deepEqual(await softrepa(["--version"]), { code: 0, signal: null, stdout: `${version}\n`, stderr: "" });
  for (const args of [["--help"], ["help"], ["train", "--help"], ["help", "generate"], ["score", "-h"]]) {
    const { code, stdout, stderr } = await softrepa(args);
    assert.deepEqual([code, stderr], [0, ""], args.join(" "));
    assert.match(stdout, /^Usage: softrepa/);
    for (const line of stdout.split("\n")) {
      assert.ok(line.startsWith("  $ ") || line.length <= 80, `too long: ${line}`);
      assert.doesNotMatch(line, /^ {12}/, "an option takes two lines");
    }
  }
});

const wrongUsage: [string[], string][] = [
  [["--foo"], "unknown option '--foo'"],
  [["trian"], "unknown command 'trian' (Did you mean train?)"],
  [["train", "--modle", "x"], "unknown option '--modle' (Did you mean --model?)"],
  [["generate", "--model", "m"], "required option '--out <path>' not specified"],
  ...["int8", "fp16"].map((name): [string[], string] => [
    ["generate", "--model", "m", "--prompt", "x", "--out", "o", "--precision", name],
    `--precision must be auto, fp32 (onnxruntime, OpenVINO) or bf16 (OpenVINO on processors that support it), not "${name}"`,
  ]),
  [["score", "--model", "m", "--noises", "x"], '--noises must be a whole number from 1 to 10000, not "x"'],
];

for (const [args, message] of wrongUsage) {
  test(`wrong usage: softrepa ${args.join(" ")}`, async () => {
    const expected = { code: 2, signal: null, stdout: "", stderr: `softrepa: ${message}\n` };
    assert.deepEqual(await softrepa(args), expected);
    const json = await softrepa([...args, "--json"]);
    assert.deepEqual([json.code, json.stderr.split("\n").length], [2, 2]);
    assert.deepEqual(Object.keys(JSON.parse(json.stdout)), ["event", "kind", "message", "exitCode"]);
    assert.equal(json.stdout.split("\n").length, 2);
  });
}

test("wrong usage: without a command prints the help to stderr", async () => {
  const { code, stdout, stderr } = await softrepa([]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(stderr, /^Usage: softrepa[\s\S]*\n\s+help \[command\][^\n]*\n$/);
});

test("failures print one line without a stack, and exit with 1 for bad input and for limits of the machine", async () => {
  const { code, stdout, stderr } = await softrepa(["score", "--model", "m", "--data", "/nowhere"]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^softrepa: cannot open data set \/nowhere: ENOENT[^\n]*\n$/);
  const json = await softrepa(["score", "--model", "m", "--data", "/nowhere", "--json"]);
  assert.equal(json.code, 1);
  assert.equal(JSON.parse(json.stdout).kind, "input");
});

test("SOFTREPA_DEBUG=1 prints the stack and the cause", async () => {
  const { stderr } = await softrepa(["score", "--model", "m", "--data", "/nowhere"], { SOFTREPA_DEBUG: "1" });
  assert.match(stderr, /^softrepa: cannot open[^\n]*\nInputError: .*\n {4}at /);
  assert.match(stderr, /caused by: Error: ENOENT/);
});

test("bugs are reported in one line too, wherever they are thrown", async () => {
  const inside = await outcomeOf(program("undefined.x"));
  assert.equal(inside.code, 1);
  assert.match(inside.stderr, /^softrepa: internal error: TypeError: [^\n]* \(SOFTREPA_DEBUG=1 prints the stack\)\n$/);
  const outside = await outcomeOf(program("setTimeout(() => undefined.x); await sleep(5000)", ["--json"]));
  assert.equal(outside.code, 1);
  assert.match(outside.stderr, /^softrepa: internal error: TypeError: [^\n]*\n$/);
  assert.equal(JSON.parse(outside.stdout).kind, "internal");
});

test("messages show control characters as text", async () => {
  const { stderr } = await outcomeOf(program('throw new failures.InputError("a\\u001b[31m\\nb")'));
  assert.equal(stderr, "softrepa: a\\x1b[31m b\n");
});

const untilAborted = `
  context.reporter.event("ready", {}, "ready");
  while (!context.signal.aborted) await sleep(5);
  context.reporter.event("saved", {}, "saved");
  throw new failures.InterruptedError("interrupted after step 3");`;

async function ready(child: ChildProcess): Promise<void> {
  await new Promise((done) => child.stdout?.once("data", done));
}

test("Ctrl+C stops at the next safe point and exits with 130", async () => {
  const child = program(untilAborted);
  const outcome = outcomeOf(child);
  await ready(child);
  child.kill("SIGINT");
  const { code, stdout, stderr } = await outcome;
  assert.deepEqual([code, stdout], [130, "ready\nsaved\n"]);
  const [first, second, rest] = stderr.split("\n");
  assert.match(first ?? "", /stopping at the next safe point; press Ctrl\+C again to end immediately$/);
  assert.deepEqual([second, rest], ["softrepa: interrupted after step 3", ""]);
});

for (const [signal, exitCode] of [
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  test(`${signal} stops at the next safe point and exits with ${exitCode}`, async () => {
    const child = program(untilAborted);
    const outcome = outcomeOf(child);
    await ready(child);
    child.kill(signal);
    const { code, stdout, stderr } = await outcome;
    assert.deepEqual([code, stdout], [exitCode, "ready\nsaved\n"]);
    assert.match(stderr, new RegExp(`^softrepa: warning: stopping at the next safe point; ${signal} was received`));
    assert.match(stderr, /\nsoftrepa: interrupted after step 3\n$/);
  });
}

test("a second SIGTERM ends immediately and removes what is being written", async () => {
  const folder = await mkdtemp(join(tmpdir(), "softrepa-stop-"));
  const files = JSON.stringify(new URL("../core/files.js", import.meta.url).href);
  const child = program(`
    const { writeFolderAtomic } = await import(${files});
    await writeFolderAtomic(${JSON.stringify(join(folder, "x"))}, async () => {
      context.reporter.event("ready", {}, "ready");
      await sleep(60000);
    });`);
  try {
    const outcome = outcomeOf(child);
    await ready(child);
    assert.equal((await readdir(folder)).length, 1);
    const warned = new Promise((done) => child.stderr?.once("data", done));
    child.kill("SIGTERM");
    await warned;
    await new Promise((done) => setTimeout(done, 400));
    child.kill("SIGTERM");
    const { code, signal } = await outcome;
    assert.deepEqual([code, signal], [null, "SIGTERM"]);
    assert.deepEqual(await readdir(folder), []);
  } finally {
    child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
});

test("Ctrl+C with --json reports warning and error as events", async () => {
  const child = program(untilAborted, ["--json"]);
  const outcome = outcomeOf(child);
  await ready(child);
  child.kill("SIGINT");
  const events = (await outcome).stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    events.map(({ event }) => event),
    ["ready", "warning", "saved", "error"],
  );
  assert.equal(events[3].kind, "interrupted");
});

test("a second Ctrl+C ends immediately, by the signal itself", async () => {
  const child = program(`context.reporter.event("ready", {}, "ready"); await sleep(60000)`);
  const outcome = outcomeOf(child);
  await ready(child);
  const warned = new Promise((done) => child.stderr?.once("data", done));
  child.kill("SIGINT");
  await warned;
  await new Promise((done) => setTimeout(done, 400));
  child.kill("SIGINT");
  const { code, signal } = await outcome;
  assert.deepEqual([code, signal], [null, "SIGINT"]);
});

test("an echo of the first Ctrl+C, as npm sends it, does not count as a second", async () => {
  const body = `process.emit("SIGINT"); process.emit("SIGINT"); context.reporter.print(context.signal.aborted)`;
  const { code, stdout } = await outcomeOf(program(body));
  assert.deepEqual([code, stdout], [0, "true\n"]);
});

test("a closed pipe is not an error", async () => {
  const child = program(`
    context.reporter.event("ready", {}, "ready");
    for (let i = 0; i < 2000; i++) { context.reporter.print("x".repeat(1000)); if (i % 100 === 0) await sleep(1); }`);
  const outcome = outcomeOf(child);
  await ready(child);
  child.stdout?.destroy();
  const { code, stderr } = await outcome;
  assert.deepEqual([code, stderr], [0, ""]);
});

test("long output through a pipe is complete", () => {
  const output = execFileSync("sh", ["-c", `'${process.execPath}' '${main}' train --help | cat`], { encoding: "utf8" });
  assert.match(output, /Examples:/);
});
