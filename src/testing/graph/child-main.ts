/** @file The process that `measureInChild` starts: runs one experiment and sends its measurement. */

import * as ort from "onnxruntime-node";
import { z } from "zod";
import { floatTensor } from "../../core/tensor.js";
import { gradientsOfSum } from "../../graph/autodiff.js";
import { Graph } from "../../graph/graph.js";
import type { Value } from "../../graph/ir.js";
import type { OnnxModel, Target } from "../../graph/onnx/model.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import * as ops from "../../graph/ops.js";
import { targetFor } from "../../runtime/engine.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { sessionOptions } from "../../runtime/onnxruntime/session-options.js";
import { measure } from "./child.js";

type Options = ort.InferenceSession.SessionOptions;

const engine = new OnnxRuntimeEngine("cpu", 1);
const { target } = engine;

/** A model and the size of its only input, x. */
interface Prepared {
  readonly model: OnnxModel;
  readonly rows: number;
  readonly width: number;
}

/** Forward and backward pass of 36 layers with large activations (`rows` * 128 bytes) and small weights. */
function activations(rows: number, layersPerRegion: number): Prepared {
  const [width, layers] = [32, 36];
  const graph = new Graph();
  const x = ops.input(graph, "x", [rows, width]);
  const weight = ops.constant(
    graph,
    floatTensor(
      [width, width],
      Float32Array.from({ length: width * width }, (_, i) => Math.sin(i) / 4),
    ),
  );
  let value: Value = x;
  for (let layer = 0; layer < layers; layer += Math.max(1, layersPerRegion)) {
    const body = () => {
      for (let i = 0; i < Math.max(1, layersPerRegion); i++) {
        value = ops.add(value, ops.gelu(ops.matmul(value, weight), "tanh"));
      }
    };
    if (layersPerRegion > 0) graph.checkpoint(body);
    else body();
  }
  const [gradient] = gradientsOfSum(value, [x]);
  return { model: writeOnnx(graph, { gradient: ops.slice(gradient, 0, 0, 1) }, target), rows, width };
}

/** Forward and backward pass through 8 consecutive weights [width, width] at the start of `file`. */
function weights(dtype: "F16" | "F32", target: Target, file: string, width: number): Prepared {
  const graph = new Graph();
  const length = width * width * (dtype === "F16" ? 2 : 4);
  const rows = 8;
  const x = ops.input(graph, "x", [rows, width]);
  let value: Value = x;
  for (let i = 0; i < 8; i++) {
    const stored = { name: `w${i}`, dtype, shape: [width, width], file, offset: i * length, length } as const;
    const weight = ops.cast(ops.parameter(graph, stored), "float32");
    value = ops.tanh(ops.gemm(value, weight, null, { transposeB: true }));
  }
  const [gradient] = gradientsOfSum(value, [x]);
  return { model: writeOnnx(graph, { gradient }, target), rows, width };
}

/** Forward and backward pass through two convolutions with the kernel [channels, channels, 3, 3] at the start of `file`. */
function kernels(target: Target, file: string, channels: number): Prepared {
  const graph = new Graph();
  const [rows, width] = [channels, 64];
  const shape = [channels, channels, 3, 3];
  const stored = { name: "w", dtype: "F32", shape, file, offset: 0, length: channels ** 2 * 9 * 4 } as const;
  const kernel = ops.parameter(graph, stored);
  const attributes = { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] } as const;
  const x = ops.input(graph, "x", [rows, width]);
  const image = ops.reshape(x, [1, channels, 8, 8]);
  const [gradient] = gradientsOfSum(ops.conv2d(ops.tanh(ops.conv2d(image, kernel, attributes)), kernel, attributes), [
    x,
  ]);
  return { model: writeOnnx(graph, { gradient }, target), rows, width };
}

/** Changes of the project's session options, by name. */
const optionChanges: Readonly<Record<string, (options: Options) => Options>> = {
  none: (options) => options,
  "with constant folding": (options) => withoutOptimizers(options, "CommonSubexpressionElimination"),
  "with common subexpressions": (options) => withoutOptimizers(options, "ConstantFolding"),
  "at level all": (options) => ({ ...options, graphOptimizationLevel: "all" }),
  "with memory patterns": (options) => ({ ...options, enableMemPattern: true }),
  "in parallel": (options) => ({ ...options, executionMode: "parallel" }),
  "with three threads": (options) => ({ ...options, intraOpNumThreads: 3 }),
};

function withoutOptimizers(options: Options, names: string): Options {
  return { ...options, extra: { ...options.extra, optimization: { disable_specified_optimizers: names } } };
}

function ones({ rows, width }: Prepared): Float32Array {
  return new Float32Array(rows * width).fill(0.125);
}

/** Two runs in an onnxruntime session with one change of the project's options. */
async function runDirectly(prepared: Prepared, change: string): Promise<readonly number[]> {
  const settings = { provider: "cpu", threads: 1 } as const;
  const options = optionChanges[change](sessionOptions(settings, prepared.model, {}));
  const session = await ort.InferenceSession.create(prepared.model.bytes, options);
  const feeds = { x: new ort.Tensor("float32", ones(prepared), [prepared.rows, prepared.width]) };
  await session.run(feeds);
  const { gradient } = await session.run(feeds);
  return Array.from((gradient.data as Float32Array).subarray(0, 4));
}

/** Two runs in the project's engine. */
async function runInEngine(prepared: Prepared): Promise<readonly number[]> {
  const session = await engine.compile(prepared.model);
  const feeds = { x: floatTensor([prepared.rows, prepared.width], ones(prepared)) };
  await session.run(feeds);
  const { gradient } = await session.run(feeds);
  return Array.from((gradient.data as Float32Array).subarray(0, 4));
}

/** Runs a tiny model, so that onnxruntime is loaded before the measurement. */
async function warmUp(): Promise<void> {
  const graph = new Graph();
  const model = writeOnnx(graph, { gradient: ops.neg(ops.input(graph, "x", [2, 2])) }, target);
  await runInEngine({ model, rows: 2, width: 2 });
  await runDirectly({ model, rows: 2, width: 2 }, "none");
}

function targetOf(weights: string): Target {
  return targetFor(engine, z.enum(["mapped", "repacked"]).parse(weights) === "repacked");
}

const experiments: Readonly<Record<string, (...options: string[]) => Promise<readonly number[]>>> = {
  checkpoint: (layersPerRegion) => runInEngine(activations(16384, Number(layersPerRegion))),
  "activations, session options": (change) => runDirectly(activations(8192, 0), change),
  "half weights, session options": (change, file, width) =>
    runDirectly(weights("F16", target, file, Number(width)), change),
  "half weights": (use, file, width) => runInEngine(weights("F16", targetOf(use), file, Number(width))),
  "float weights": (use, file, width) => runInEngine(weights("F32", targetOf(use), file, Number(width))),
  "float kernels": (use, file, channels) => runInEngine(kernels(targetOf(use), file, Number(channels))),
};

const [name, ...options] = process.argv.slice(2);
const experiment = experiments[name];
if (experiment === undefined) throw new Error(`there is no experiment ${name}`);
await warmUp();
const measurement = await measure(() => experiment(...options));
process.send?.(measurement, () => process.disconnect());
