#!/usr/bin/env node
/**
 * @file `npm run demo:pretrain`: trains a pipeline for the demo from nothing but the renderer. Interrupted or killed, it goes on at the next call
 * with the same `--out`, where states, logs, latents and the pipeline's folder lie. `--images` is how many images the transformer sees in all; since only the
 * last fifth of them have a falling learning rate, it can be changed until then. `--export` writes the folder from the states as they are.
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SoftrepaError, UsageError } from "#softrepa/core/errors.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { OpenVinoEngine } from "#softrepa/runtime/openvino/engine.js";
import { findOpenVino } from "#softrepa/runtime/openvino/find-library.js";
import { defaultSettings, pretrain } from "./pretrain.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const { transformer } = defaultSettings;

try {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: join(root, "out", "pretrain") },
      images: { type: "string", default: String(transformer.steps * transformer.batch) },
      threads: { type: "string", default: "2" },
      export: { type: "boolean", default: false },
    },
  });
  const steps = Math.ceil(wholeNumber("images", values.images) / transformer.batch);
  const threads = wholeNumber("threads", values.threads);
  const interruption = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interruption.abort());
  const openvino = findOpenVino();
  const engine = openvino
    ? await OpenVinoEngine.open(openvino, "auto", threads)
    : new OnnxRuntimeEngine("cpu", threads);
  console.log(`${engine.library}, ${engine.precision}`);
  try {
    await pretrain(
      engine,
      values.out,
      { ...defaultSettings, transformer: { ...transformer, steps } },
      { signal: interruption.signal, print: console.log },
      { exportOnly: values.export },
    );
  } finally {
    await engine.close();
  }
} catch (error) {
  if (!(error instanceof SoftrepaError)) throw error;
  console.error(`demo:pretrain: ${error.message}`);
  process.exitCode = 1;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`--${name}: a whole number from 1, not "${text}"`);
  return value;
}
