/** @file The process that `measureInChild` starts: does one experiment and sends what it measured. */

import { floatTensor } from "../../core/tensor.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { gradientsOfSum } from "../autodiff.js";
import { Graph, type Value } from "../graph.js";
import { writeOnnx } from "../onnx/writer.js";
import * as ops from "../ops.js";
import { measure } from "./child.js";
import { numbersOf } from "./numbers.js";

const engine = new OnnxRuntimeEngine("cpu", 1);

/** A model that does next to nothing, to have onnxruntime loaded before anything is measured. */
async function warmUp(): Promise<void> {
  const graph = new Graph();
  const session = await engine.compile(writeOnnx(graph, { y: ops.neg(ops.input(graph, "x", [1])) }, engine.target));
  await session.run({ x: floatTensor([1]) });
}

/** Forward and backward pass of 36 layers whose activations are large (3 MB) and whose weights are small. */
async function checkpoint(mode: string): Promise<readonly number[]> {
  const [rows, width, layers, layersPerRegion] = [24576, 32, 36, 4];
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
  for (let layer = 0; layer < layers; layer += layersPerRegion) {
    const body = () => {
      for (let i = 0; i < layersPerRegion; i++) value = ops.add(value, ops.gelu(ops.matmul(value, weight), "tanh"));
    };
    if (mode === "checkpointed") graph.checkpoint(body);
    else body();
  }
  const [gradient] = gradientsOfSum(value, [x]);
  const model = writeOnnx(graph, { gradient: ops.slice(gradient, 0, 0, 1) }, engine.target);
  const session = await engine.compile(model);
  const results = await session.run({ x: floatTensor([rows, width], new Float32Array(rows * width).fill(0.125)) });
  return Array.from(numbersOf(results.gradient), (number) => Number(number.toPrecision(4)));
}

const experiments: Readonly<Record<string, (...options: string[]) => Promise<readonly number[]>>> = { checkpoint };

const [name, ...options] = process.argv.slice(2);
const experiment = experiments[name];
if (experiment === undefined) throw new Error(`there is no experiment ${name}`);
await warmUp();
const measurement = await measure(() => experiment(...options));
process.send?.(measurement, () => process.disconnect());
