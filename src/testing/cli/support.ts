/** @file Helpers for tests of the command line: run it as a child process, with small inputs. */

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

/** Collects the output of a child process until it ends. */
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

/** Hides an installed OpenVINO, because `auto` would choose it and print more. */
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

/** Runs the built command, which must succeed, and returns its stdout. */
export async function succeeds(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await softrepa(args);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Checks that a command exits with `code`, prints nothing to stdout and one line to stderr that matches all `patterns`. */
export async function refusesTo(args: readonly string[], code: number, ...patterns: readonly RegExp[]): Promise<void> {
  const outcome = await softrepa(args);
  const output = `softrepa ${args.join(" ")}\n${outcome.stderr}`;
  assert.deepEqual([outcome.code, outcome.signal, outcome.stdout], [code, null, ""], output);
  assert.match(outcome.stderr, /^softrepa: [^\n]+\n$/, output);
  assert.doesNotMatch(outcome.stderr, /internal error|\bat .*\.js:\d+/, output);
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

/** Runs the built command with `--json`, which must succeed, and returns its events. */
export async function events(...args: readonly string[]): Promise<JsonEvent[]> {
  return eventsOf(await succeeds(...args, "--json"));
}

/** Waits for an event of a child that was started with `--json`. */
export async function eventFrom(child: ChildProcess, name: string): Promise<void> {
  assert.ok(child.stdout);
  const lines = createInterface(child.stdout);
  try {
    for await (const line of lines) if ((JSON.parse(line) as JsonEvent).event === name) return;
    assert.fail(`no event ${name} before the process ended`);
  } finally {
    lines.close();
    child.stdout.resume();
  }
}

/** Creates a folder that is removed after the tests of the file; returns a function that builds paths in it. */
export async function scratchFolder(): Promise<(...path: readonly string[]) => string> {
  const folder = await mkdtemp(join(tmpdir(), "softrepa-e2e-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return (...path) => join(folder, ...path);
}

/** Names in a folder, sorted; empty if there is no folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true }).catch(() => [])).sort();
}

/** Small pipelines are fastest with one thread. */
export const small = ["--max-sequence-length", "24", "--threads", "1"] as const;

/** Options with a small pipeline. */
export const model = ["--model", pipelineFolder("sd3"), ...small] as const;

/** Options of a small training run on the images of a folder. */
export function trainOn(data: string): string[] {
  const sizes = ["--resolution", "32", "--batch", "3", "--layers", "2", "--tokens", "2", "--buckets", "10"];
  return ["train", ...model, "--data", data, "--temperature", "1", ...sizes];
}

/** Writes twelve captioned images. */
export { writeTestImages };

/** Soft tokens for the small pipelines. */
export function smallTokens(): SoftTokens {
  const layout = {
    family: "sd3",
    placement: "prefix",
    layers: 4,
    rawWidth: 48,
    projectedWidth: 32,
    stages: null,
  } as const;
  return initialSoftTokens(layout, { layers: 2, count: 3, buckets: 5, width: "projected" }, new Generator(8));
}

/** The pixels of an image file, RGB bytes. */
export async function pixelsOf(file: string): Promise<{ width: number; height: number; data: Uint8Array }> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}
