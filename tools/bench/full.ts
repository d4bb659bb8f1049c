/**
 * @file `npm run bench -- --full [--cache FOLDER] [--threads N]`: peak memory of training steps of full-size models, each in a
 * separate process, with limits. Weights are written to the cache on first use (6 GB).
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

/** Peak memory limit of a complete step of two images, in MB. */
const limits = { sd15: 6000, sd3: 12_000 } as const;
/** Limit of peak memory at batch 64 relative to batch 4. */
const growthLimit = 1.2;

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    cache: { type: "string", default: join("out", "parity-full") },
    threads: { type: "string", default: "0" },
    /** A case as JSON, for the child processes. */
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

function measure(options: Pick<FullCase, "model" | "batch" | "runs">): FullResult {
  const json = JSON.stringify({ ...options, cache: values.cache, threads: Number(values.threads) });
  const main = fileURLToPath(new URL("./main.js", import.meta.url));
  const child = spawnSync(process.execPath, [main, "--full", "--run", json], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.status !== 0) throw new Error(`benchmark ${json} exited with code ${child.status}`);
  return fullResultSchema.parse(JSON.parse(child.stdout));
}

function print(title: string, { peakMemory, seconds, runs, pairsPerRun }: FullResult, limit?: number): void {
  const memory = peakMemory === null ? "unknown" : `${peakMemory.toFixed(0)} MB`;
  const verdict = limit === undefined || peakMemory === null ? "" : peakMemory <= limit ? "ok" : "FAIL";
  if (verdict === "FAIL") process.exitCode = 1;
  const against = verdict === "" ? "" : `, limit ${limit?.toFixed(0)} MB ${verdict}`;
  console.log(
    `${title}: peak memory ${memory}${against}; ${runs} runs of ${pairsPerRun} pairs, ${seconds.toFixed(0)} s`,
  );
}
