#!/usr/bin/env node
/**
 * @file `npm run parity:full`: checks real models at full size with synthetic weights, which are written to a cache on first use
 * (out/parity-full; SD1.5's UNet 1.7 GB, SD3-medium's transformer 4.2 GB).
 */

import { readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { InputError, messageOf, UsageError } from "#softrepa/core/errors.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { errnoError } from "#softrepa/weights/read-bytes.js";
import { peakMemory } from "../../bench/measure.js";
import { Tally } from "../tally.js";
import { checkFullModel } from "./check.js";

const usage = "usage: npm run parity:full -- [--goldens FOLDER] [--cache FOLDER] [--threads N] [MODEL...]";
/** Limit of peak memory, in MB. */
const memoryLimit = 20_000;

async function main(): Promise<void> {
  const { goldens, cache, threads, models: wanted } = readArguments();
  const present = await modelsIn(goldens);
  const unknown = wanted.find((model) => !present.includes(model));
  if (unknown !== undefined)
    throw new InputError(`${goldens} has no ${unknown}: ${present.join(", ") || "no goldens"}`);
  const engine = new OnnxRuntimeEngine("cpu", threads);
  const tally = new Tally();
  const name = basename(resolve(goldens));
  try {
    for (const model of wanted.length > 0 ? wanted : present) {
      await tally.attempt(name, model, checkFullModel(engine, goldens, model, cache));
    }
  } finally {
    await engine.close();
  }
  const memory = peakMemory();
  if (memory !== null) {
    const verdict = memory <= memoryLimit ? "ok" : "FAIL";
    tally.report(name, `peak memory ${memory.toFixed(0)} MB, limit ${memoryLimit} MB ${verdict}`);
  }
  tally.finish();
}

function readArguments() {
  try {
    const { values, positionals: models } = parseArgs({
      allowPositionals: true,
      options: {
        goldens: { type: "string", default: join("test", "fixtures", "parity", "full") },
        cache: { type: "string", default: join("out", "parity-full") },
        threads: { type: "string", default: "0" },
      },
    });
    const threads = Number(values.threads);
    if (!Number.isInteger(threads) || threads < 0)
      throw new UsageError(`--threads ${values.threads} is not a whole number`);
    return { ...values, threads, models };
  } catch (error) {
    throw new UsageError(`${messageOf(error)} (${usage})`, { cause: error });
  }
}

async function modelsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw errnoError(folder, error);
  });
  const models = names.filter((name) => name.endsWith(".safetensors")).map((name) => basename(name, ".safetensors"));
  return models.sort();
}

await main().catch((error: unknown) => {
  process.stderr.write(`parity:full: ${messageOf(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
