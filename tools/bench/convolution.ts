/** @file Compares the time of 3x3 convolutions and of their input gradients, at the sizes of SD 1.5. */

import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { Generator } from "#softrepa/core/random.js";
import type { Shape } from "#softrepa/core/tensor.js";
import { gradients } from "#softrepa/graph/autodiff.js";
import { Graph } from "#softrepa/graph/graph.js";
import type { Target } from "#softrepa/graph/onnx/model.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { conv2d, input, parameter, slice } from "#softrepa/graph/ops.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { OpenVinoEngine } from "#softrepa/runtime/openvino/engine.js";
import { findOpenVino } from "#softrepa/runtime/openvino/find-library.js";
import { writeSyntheticWeights } from "#softrepa/testing/synthetic/weights.js";
import { openSafetensors } from "#softrepa/weights/safetensors.js";
import { timeInterleaved } from "./measure.js";
import { cacheFolder } from "./subject.js";

/** Channels and height of each resolution level of the UNet at 512 pixels. */
const levels = [
  [320, 64],
  [640, 32],
  [1280, 16],
  [1280, 8],
] as const;

/** Batch sizes: one image, and the pairs of one row of a small training batch. */
const batches = [1, 4] as const;

/** The time of one convolution and of its input gradient, in milliseconds. */
export interface ConvolutionTiming {
  readonly engine: string;
  readonly weights: "mapped" | "repacked";
  readonly batch: number;
  readonly channels: number;
  readonly side: number;
  readonly forward: number;
  readonly vjp: number;
}

/** Measures all engines of this machine. */
export async function convolutions(): Promise<ConvolutionTiming[]> {
  const engines: [string, Engine][] = [["onnxruntime", new OnnxRuntimeEngine("cpu")]];
  const library = findOpenVino();
  if (library !== null) {
    engines.push(["openvino fp32", await OpenVinoEngine.open(library, "fp32", cpus().length)]);
    const fastest = await OpenVinoEngine.open(library, "auto", cpus().length);
    engines.push([`openvino ${fastest.precision}`, fastest]);
  }
  const timings: ConvolutionTiming[] = [];
  for (const [name, engine] of engines) {
    for (const target of [engine.target, ...(engine.repackingTarget === null ? [] : [engine.repackingTarget])]) {
      const weights = target.repacksWeights ? "repacked" : "mapped";
      for (const batch of batches) {
        for (const [channels, side] of levels) {
          const [forward, vjp] = await timeBoth(engine, target, [batch, channels, side, side]);
          timings.push({ engine: name, weights, batch, channels, side, forward, vjp });
        }
      }
    }
    await engine.close();
  }
  return timings;
}

/** Times the convolution and its gradient alternately, so that other load on the machine affects both equally. */
async function timeBoth(engine: Engine, target: Target, shape: Shape): Promise<[forward: number, vjp: number]> {
  const channels = shape[1];
  const file = join(cacheFolder, `bench-kernel-${channels}.safetensors`);
  if (!existsSync(file)) await writeSyntheticWeights(file, new Map([["kernel", [channels, channels, 3, 3]]]));
  const stored = (await openSafetensors(file)).tensors.get("kernel");
  if (stored === undefined) throw new Error(`${file} has no kernel`);
  const attributes = { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] } as const;
  const image = new Generator(0).normal(shape);
  const compile = async (gradient: boolean) => {
    const graph = new Graph();
    const [x, y] = [input(graph, "x", shape), input(graph, "y", shape)];
    const forward = conv2d(x, parameter(graph, stored), attributes);
    const value = gradient ? gradients([{ value: forward, cotangent: y }], [x])[0] : forward;
    const session = await engine.compile(writeOnnx(graph, { value: slice(value, 1, 0, 1) }, target));
    return { session, feeds: { [gradient ? "y" : "x"]: image } };
  };
  const [forward, vjp] = [await compile(false), await compile(true)];
  const medians = await timeInterleaved(
    [forward, vjp].map(
      ({ session, feeds }) =>
        () =>
          session.run(feeds),
    ),
    9,
  );
  await forward.session.release();
  await vjp.session.release();
  return [1000 * medians[0], 1000 * medians[1]];
}
