/**
 * @file `npm run bench -- --full [--cache FOLDER] [--threads N]`: memory of training steps at full size, each in a process of its
 * own, against what they may take. Weights are written to the cache on first use (6 GB).
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  type FullCase,
  type FullResult,
  fullCaseSchema,
  fullModels,
  fullResultSchema,
  runFullCase,
} from "./full-case.js";

/** Megabytes that a whole step of two images may take. */
const limits = { sd15: 6000, sd3: 12_000 } as const;
/** How much more than a batch of 4 a batch of 64 may take. */
const growthLimit = 1.2;

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    cache: { type: "string", default: join("out", "parity-full") },
    threads: { type: "string", default: "0" },
    /** A case in JSON: what the report starts its processes with. */
    run: { type: "string" },
  },
});

if (values.run === undefined) report();
else process.stdout.write(JSON.stringify(await runFullCase(fullCaseSchema.parse(JSON.parse(values.run)))));

function report(): void {
  for (const model of ["sd15", "sd3"] as const) {
    const result = measure({ model, batch: 2, runs: null });
    print(`${fullModels[model].title}: step of 2 images`, result, limits[model]);
  }
  const small = measure({ model: "sd15", batch: 4, runs: 2 });
  const large = measure({ model: "sd15", batch: 64, runs: 2 });
  print(`${fullModels.sd15.title}: first runs of a step of 4 images`, small);
  print(`${fullModels.sd15.title}: first runs of a step of 64 images`, large, growthLimit * (small.peakMemory ?? 0));
}

function measure(what: Pick<FullCase, "model" | "batch" | "runs">): FullResult {
  const told = JSON.stringify({ ...what, cache: values.cache, threads: Number(values.threads) });
  const main = fileURLToPath(new URL("./main.js", import.meta.url));
  const child = spawnSync(process.execPath, [main, "--full", "--run", told], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.status !== 0) throw new Error(`benchmark ${told} ended with code ${child.status}`);
  return fullResultSchema.parse(JSON.parse(child.stdout));
}

function print(title: string, { peakMemory, seconds, runs, chunk }: FullResult, limit?: number): void {
  const memory = peakMemory === null ? "unknown" : `${peakMemory.toFixed(0)} MB`;
  const verdict = limit === undefined || peakMemory === null ? "" : peakMemory <= limit ? "ok" : "FAIL";
  if (verdict === "FAIL") process.exitCode = 1;
  const against = verdict === "" ? "" : `, limit ${limit?.toFixed(0)} MB ${verdict}`;
  console.log(`${title}: peak memory ${memory}${against}; ${runs} runs of ${chunk} pairs, ${seconds.toFixed(0)} s`);
}
