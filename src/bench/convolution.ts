/** @file How the gradient of 3x3 convolutions towards their image compares with the convolutions, at the sizes of SD 1.5. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Generator } from "../core/random.js";
import { gradients } from "../graph/autodiff.js";
import { Graph } from "../graph/graph.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { conv2d, input, parameter, slice } from "../graph/ops.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { openSafetensors } from "../weights/safetensors.js";
import { time } from "./measure.js";
import { cacheFolder } from "./subject.js";
import { writeSyntheticWeights } from "./synthetic.js";

/** Channels and height of the levels of the UNet at 512 pixels. */
const levels = [
  [320, 64],
  [640, 32],
  [1280, 16],
  [1280, 8],
] as const;

/** Images at once: one, and the pairs of a row of a small training batch. */
const batches = [1, 4] as const;

/** Milliseconds of one convolution and of its gradient. */
export interface ConvolutionTiming {
  readonly batch: number;
  readonly channels: number;
  readonly side: number;
  readonly forward: number;
  readonly vjp: number;
}

export async function convolutions(): Promise<ConvolutionTiming[]> {
  const engine = new OnnxRuntimeEngine("cpu");
  const timings: ConvolutionTiming[] = [];
  const sizes = batches.flatMap((batch) => levels.map(([channels, side]) => ({ batch, channels, side })));
  for (const { batch, channels, side } of sizes) {
    const file = join(cacheFolder, `bench-kernel-${channels}.safetensors`);
    if (!existsSync(file)) await writeSyntheticWeights(file, new Map([["kernel", [channels, channels, 3, 3]]]));
    const stored = (await openSafetensors(file)).tensors.get("kernel");
    if (stored === undefined) throw new Error(`${file} has no kernel`);
    const shape = [batch, channels, side, side];
    const measure = async (towardsImage: boolean) => {
      const graph = new Graph();
      const [x, y] = [input(graph, "x", shape), input(graph, "y", shape)];
      const attributes = { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] } as const;
      const forward = conv2d(x, parameter(graph, stored), attributes);
      const value = towardsImage ? gradients([{ value: forward, cotangent: y }], [x])[0] : forward;
      const session = await engine.compile(writeOnnx(graph, { value: slice(value, 1, 0, 1) }, engine.target));
      const feeds = { [towardsImage ? "y" : "x"]: new Generator(0).normal(shape) };
      const { median } = await time(() => session.run(feeds), 9);
      await session.release();
      return 1000 * median;
    };
    timings.push({ batch, channels, side, forward: await measure(false), vjp: await measure(true) });
  }
  await engine.close();
  return timings;
}
