#!/usr/bin/env node
/**
 * @file `npm run bench -- --peer`: runs the same cases in softrepa and in PyTorch, alternately and in separate processes, compares
 * their results, prints ratios of time and memory, and writes docs/benchmarks.md.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { z } from "zod";
import { messageOf } from "#softrepa/core/errors.js";
import { writeFileAtomic } from "#softrepa/core/files.js";
import { findOpenVino } from "#softrepa/runtime/openvino/find-library.js";
import { type PeerCase, peerCases } from "./cases.js";
import { compareResults } from "./compare.js";
import { type PreparedCase, prepare } from "./prepare.js";
import { type CaseResult, printCase, type VariantResult, writeDocument } from "./report.js";
import { runSubject, subjects, type Timing, timingSchema } from "./subject.js";

const root = resolve(fileURLToPath(new URL("../../../../", import.meta.url)));
const { values: options } = parseArgs({
  options: {
    peer: { type: "boolean" },
    cases: { type: "string" },
    runs: { type: "string", default: "3" },
    rounds: { type: "string", default: "2" },
    threads: { type: "string", default: String(availableParallelism()) },
    python: { type: "string" },
    folder: { type: "string", default: join(root, "out", "bench", "peer") },
    child: { type: "string" },
  },
});
const folder = resolve(options.folder);
const runs = Number(options.runs);
const threads = Number(options.threads);
const childSchema = z.object({
  subject: z.enum(subjects),
  name: z.string(),
  results: z.string(),
  weights: z.string(),
  inputs: z.string(),
  description: z.string(),
});

try {
  if (options.child !== undefined) await child(childSchema.parse(JSON.parse(options.child)));
  else await main();
} catch (error) {
  process.stderr.write(`bench --peer: ${messageOf(error)}\n`);
  process.exitCode = 1;
}

/** Runs one variant of one case in this process. */
async function child({ subject, name, results, ...files }: z.infer<typeof childSchema>): Promise<void> {
  const peerCase = (await peerCases(root)).find((candidate) => candidate.name === name);
  if (!peerCase) throw new Error(`no case ${name}`);
  process.stdout.write(JSON.stringify(await runSubject(subject, peerCase, files, results, runs, threads)));
}

async function main(): Promise<void> {
  const all = await peerCases(root);
  const selected = options.cases?.split(",") ?? all.map(({ name }) => name);
  const unknown = selected.filter((name) => !all.some((candidate) => candidate.name === name));
  if (unknown.length > 0) throw new Error(`no case ${unknown.join(", ")}: ${all.map(({ name }) => name).join(", ")}`);
  const python = options.python ?? (await installPeer());
  for (const peerCase of all.filter(({ name }) => selected.includes(name))) {
    const result = await measureCase(peerCase, python);
    await writeFileAtomic(join(folder, peerCase.name, "result.json"), JSON.stringify(result, null, 2));
    printCase(result);
  }
  await writeDocument(join(root, "docs", "benchmarks.md"), await storedResults(all), threads);
}

async function measureCase(peerCase: PeerCase, python: string): Promise<CaseResult> {
  const files = await prepare(peerCase, folder, runs, threads);
  const available = subjects.filter((subject) => subject.startsWith("onnxruntime") || findOpenVino() !== null);
  const variants = [
    { name: "PyTorch eager fp32", start: (out: string) => runPyTorch(python, files, "eager", out) },
    { name: "PyTorch compiled bf16", start: (out: string) => runPyTorch(python, files, "compiled", out) },
    ...available.map((subject) => ({
      name: subject,
      start: (out: string) => runSoftrepa(subject, peerCase, files, out),
    })),
  ];
  const timings = new Map<string, Timing[]>();
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const { name, start } of variants) {
      process.stderr.write(`${peerCase.name}: ${name}, round ${round + 1}\n`);
      const timing = await start(resultFile(peerCase, name));
      timings.set(name, [...(timings.get(name) ?? []), timing]);
    }
  }
  const reference = resultFile(peerCase, variants[0].name);
  const results = variants.map(async ({ name }): Promise<VariantResult> => {
    const measured = timings.get(name) ?? [];
    return {
      name,
      seconds: measured.flatMap(({ seconds }) => seconds),
      peakMemory: Math.max(...measured.map(({ peakMemory }) => peakMemory)),
      ...(await compareResults(reference, resultFile(peerCase, name))),
    };
  });
  return { name: peerCase.name, title: peerCase.title, task: peerCase.task, variants: await Promise.all(results) };
}

function resultFile({ name }: PeerCase, variant: string): string {
  return join(folder, name, `${variant.replaceAll(" ", "-")}.safetensors`);
}

function runSoftrepa(subject: string, { name }: PeerCase, files: PreparedCase, results: string): Promise<Timing> {
  const request = JSON.stringify({ subject, name, results, ...files });
  const sizes = ["--runs", String(runs), "--threads", String(threads)];
  return timed(process.execPath, [fileURLToPath(import.meta.url), ...sizes, "--child", request]);
}

function runPyTorch(python: string, { description }: PreparedCase, variant: string, results: string): Promise<Timing> {
  return timed(python, [join(root, "tools", "bench", "peer", "peer.py"), description, variant, results]);
}

async function timed(command: string, args: readonly string[]): Promise<Timing> {
  const output = await run(command, args);
  return timingSchema.parse(JSON.parse(output.trim().split("\n").at(-1) ?? ""));
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((done, failed) => {
    const process_ = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    process_.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    process_.on("error", failed);
    process_.on("close", (code) =>
      code === 0 ? done(output) : failed(new Error(`${command} ${args[0]} exited with code ${code}`)),
    );
  });
}

/** Creates a virtual environment with the pinned packages on first use; returns its Python. */
async function installPeer(): Promise<string> {
  const environment = join(folder, "venv");
  const python = join(environment, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const done = join(environment, "installed");
  if (existsSync(done)) return python;
  await mkdir(folder, { recursive: true });
  process.stderr.write(`installing PyTorch and diffusers in ${environment}\n`);
  await run("python3", ["-m", "venv", environment]);
  await run(python, [
    "-m",
    "pip",
    "install",
    "--quiet",
    "-r",
    join(root, "tools", "bench", "peer", "requirements.txt"),
  ]);
  await writeFileAtomic(done, "");
  return python;
}

/** Results of this and earlier runs, in the order of the cases. */
async function storedResults(all: readonly PeerCase[]): Promise<readonly CaseResult[]> {
  const files = all.map(({ name }) => join(folder, name, "result.json")).filter(existsSync);
  return Promise.all(files.map(async (file) => JSON.parse(await readFile(file, "utf8")) as CaseResult));
}
