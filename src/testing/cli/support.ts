/** @file What tests of the command share: running it as a child process, and small files to run it on. It has no tests of its own. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { Generator } from "../../core/random.js";
import { libraryVariable } from "../../runtime/openvino/find-library.js";
import { initialSoftTokens } from "../../softtokens/initial.js";
import type { SoftTokens } from "../../softtokens/softtokens.js";
import { writeTestImages } from "../data/test-images.js";
import { pipelineFolder } from "../pipelines/support.js";

/** The built command. */
export const main = fileURLToPath(new URL("../../cli/main.js", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Collects what a child process says until it ends. */
export function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const text = { stdout: "", stderr: "" };
  child.stdout?.on("data", (data) => {
    text.stdout += data;
  });
  child.stderr?.on("data", (data) => {
    text.stderr += data;
  });
  return new Promise((done) => child.on("close", (code, signal) => done({ code, signal, ...text })));
}

/** Whatever is installed, tests see onnxruntime alone: with OpenVINO, `auto` would say more and choose otherwise. */
const withoutOpenVino = { [libraryVariable]: join(tmpdir(), "softrepa-no-openvino") };

/** Starts the built command. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const environment = { ...process.env, ...withoutOpenVino, SOFTREPA_DEBUG: "", ...env };
  return spawn(process.execPath, [main, ...args], { env: environment });
}

/** Runs the built command. */
export function softrepa(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return outcomeOf(start(args, env));
}

/** Runs the built command, which must succeed; its stdout. */
export async function succeeds(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await softrepa(args);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** The command must refuse with `code` and one line on stderr that matches all `patterns`, without a word on stdout. */
export async function refusesTo(args: readonly string[], code: number, ...patterns: readonly RegExp[]): Promise<void> {
  const outcome = await softrepa(args);
  const told = `softrepa ${args.join(" ")}\n${outcome.stderr}`;
  assert.deepEqual([outcome.code, outcome.signal, outcome.stdout], [code, null, ""], told);
  assert.match(outcome.stderr, /^softrepa: [^\n]+\n$/, told);
  assert.doesNotMatch(outcome.stderr, /internal error|\bat .*\.js:\d+/, told);
  for (const pattern of patterns) assert.match(outcome.stderr, pattern);
}

/** An event of `--json`. */
export type JsonEvent = Readonly<Record<string, unknown>> & { readonly event: string };

export function eventsOf(stdout: string): JsonEvent[] {
  return stdout
    .trim()
    .split("\n")
    .map((line): JsonEvent => JSON.parse(line));
}

/** Runs the built command with `--json`, which must succeed; its events. */
export async function events(...args: readonly string[]): Promise<JsonEvent[]> {
  return eventsOf(await succeeds(...args, "--json"));
}

/** Waits for an event of a child that was started with `--json`. */
export async function eventFrom(child: ChildProcess, name: string): Promise<void> {
  assert.ok(child.stdout);
  const lines = createInterface(child.stdout);
  try {
    for await (const line of lines) if ((JSON.parse(line) as JsonEvent).event === name) return;
    assert.fail(`no event ${name} before the end`);
  } finally {
    lines.close();
    child.stdout.resume();
  }
}

/** A folder that is removed when the tests of the file are done; returns paths in it. */
export async function scratchFolder(): Promise<(...path: readonly string[]) => string> {
  const folder = await mkdtemp(join(tmpdir(), "softrepa-e2e-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return (...path) => join(folder, ...path);
}

/** Names in a folder, sorted; none where there is no folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true }).catch(() => [])).sort();
}

/** One thread is enough for the small pipelines; more would only wait for each other. */
export const small = ["--max-sequence-length", "24", "--threads", "1"] as const;

/** Options that name one of the small pipelines. */
export const model = ["--model", pipelineFolder("sd3"), ...small] as const;

/** A small training run on the pictures of a folder, for a test to say the rest. */
export function trainOn(data: string): string[] {
  const sizes = ["--resolution", "32", "--batch", "3", "--layers", "2", "--tokens", "2", "--buckets", "10"];
  return ["train", ...model, "--data", data, "--temperature", "1", ...sizes];
}

/** Twelve captioned pictures. */
export { writeTestImages };

/** Soft tokens for the small pipelines. */
export function smallTokens(): SoftTokens {
  const room = {
    family: "sd3",
    placement: "prefix",
    layers: 4,
    rawWidth: 48,
    projectedWidth: 32,
    stages: null,
  } as const;
  return initialSoftTokens(room, { layers: 2, count: 3, buckets: 5, width: "projected" }, new Generator(8));
}

/** The pixels of an image file, RGB bytes. */
export async function pixelsOf(file: string): Promise<{ width: number; height: number; data: Uint8Array }> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}
