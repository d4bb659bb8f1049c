/** @file Helpers for tests of networks: fixtures, a single run of a graph, comparison with the reference. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { z } from "zod";
import { InputError } from "../../core/errors.js";
import { type FloatTensor, floatTensor, intTensor, type Shape, sizeOf, type Tensor } from "../../core/tensor.js";
import { Graph } from "../../graph/graph.js";
import type { Value } from "../../graph/ir.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import { input } from "../../graph/ops.js";
import { Weights } from "../../models/weights.js";
import type { Engine } from "../../runtime/engine.js";
import { openCheckpoint } from "../../weights/checkpoint.js";
import { openSafetensors, readTensor } from "../../weights/safetensors.js";
import type { StoredTensor, WeightSource } from "../../weights/source.js";

/** The families with golden values of whole pipelines: sd35 has sharded weights, sdxl a half-precision variant. */
export const families = ["sd15", "sdxl", "sd3", "sd35"] as const;
export type Family = (typeof families)[number];

/** Path in `test/fixtures/parity`; tests run from the repository's root. */
export function fixture(path: string): string {
  return join(process.cwd(), "test", "fixtures", "parity", path);
}

export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(fixture(path), "utf8"));
}

/** Reads all tensors of a file of golden values. */
export async function readGoldens(path: string): Promise<(name: string) => FloatTensor> {
  const { tensors } = await openSafetensors(fixture(path));
  const loaded = new Map<string, FloatTensor>();
  for (const [name, stored] of tensors) loaded.set(name, await readTensor(stored));
  return (name) => {
    const tensor = loaded.get(name);
    assert.ok(tensor, `${path} has no ${name}`);
    return tensor;
  };
}

/** Opens the weights and configuration of one component of a fixture pipeline. */
export async function readComponent(path: string): Promise<{ source: WeightSource; config: unknown }> {
  const stem = path.includes("text_encoder") ? "model" : "diffusion_pytorch_model";
  return { source: await openCheckpoint(fixture(path), stem), config: readJson(`${path}/config.json`) };
}

/** Builds a graph with the weights of `source` and inputs for `feeds`, and runs it once. */
export async function runModel(
  engine: Engine,
  source: WeightSource,
  feeds: Readonly<Record<string, Tensor>>,
  build: (w: Weights, inputs: (name: string) => Value) => Readonly<Record<string, Value>>,
): Promise<(name: string) => FloatTensor> {
  const graph = new Graph();
  const inputs = new Map(
    Object.entries(feeds).map(([name, { shape, dtype }]) => [name, input(graph, name, shape, dtype)]),
  );
  const outputs = build(Weights.of(graph, source), (name) => {
    const value = inputs.get(name);
    assert.ok(value, `no feed ${name}`);
    return value;
  });
  const session = await engine.compile(writeOnnx(graph, outputs, engine.target));
  const results = await session.run(feeds);
  await session.release();
  return (name) => {
    const tensor = results[name];
    assert.ok(tensor?.dtype === "float32", `no float output ${name}`);
    return tensor;
  };
}

/**
 * Asserts |actual - expected| <= atol + rtol |expected|; the defaults are the tolerances of one module in the fixtures' README.
 */
export function assertClose(
  what: string,
  actual: FloatTensor,
  expected: FloatTensor,
  { atol = 2e-4, rtol = 1e-3 } = {},
): void {
  assert.deepEqual(actual.shape, expected.shape, `${what}: shape`);
  let worst = 0;
  for (const [i, wanted] of expected.data.entries()) {
    const error = Math.abs((actual.data[i] ?? Number.NaN) - wanted);
    // A comparison with NaN fails.
    assert.ok(error <= atol + rtol * Math.abs(wanted), `${what}[${i}]: ${actual.data[i]}, not ${wanted}`);
    worst = Math.max(worst, error);
  }
  if (process.env.SOFTREPA_TEST_ERRORS) console.log(`${what}: largest error ${worst.toExponential(2)}`);
}

/** Token ids as an int64 tensor [N, L]. */
export function idTensor(ids: readonly (readonly number[])[]): Tensor {
  return intTensor([ids.length, ids[0]?.length ?? 0], ids.flat());
}

/** Copies `source` with changed tensors: `change` returns a replacement, or null to omit one. */
export function alterSource(
  source: WeightSource,
  change: (name: string, stored: StoredTensor) => readonly [string, StoredTensor] | null,
): WeightSource {
  const tensors = [...source.tensors].flatMap(([name, stored]) => {
    const changed = change(name, stored);
    return changed === null ? [] : [changed];
  });
  return { ...source, tensors: new Map(tensors) };
}

export function reshaped(stored: StoredTensor, shape: Shape): StoredTensor {
  return { ...stored, shape };
}

/** Elements start..end along one axis. */
export function sliceOf({ shape, data }: FloatTensor, axis: number, start: number, end: number): FloatTensor {
  const inner = sizeOf(shape.slice(axis + 1));
  const size = shape[axis] ?? 0;
  const part = floatTensor(shape.map((length, index) => (index === axis ? end - start : length)));
  const rows = part.data.length / ((end - start) * inner);
  for (let row = 0; row < rows; row++) {
    const from = (row * size + start) * inner;
    part.data.set(data.subarray(from, from + (end - start) * inner), row * (end - start) * inner);
  }
  return part;
}

/** Asserts that `run` throws an InputError in one line that matches `message`. */
export function refuses(run: () => void, message: RegExp): void {
  assert.throws(
    run,
    (error) => error instanceof InputError && message.test(error.message) && !error.message.includes("\n"),
  );
}

/** The first issue that `schema` reports, as "key: message". */
export function firstIssue(schema: z.ZodType, value: unknown): string {
  const [issue] = schema.safeParse(value).error?.issues ?? [];
  return issue ? `${issue.path.join(".")}: ${issue.message}` : "none";
}
