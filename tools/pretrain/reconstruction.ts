/** @file What the autoencoder makes of scenes: whether the verifier still reads them, and how far pixels are off. */

import { Generator } from "#softrepa/core/random.js";
import { type FloatTensor, floatTensor } from "#softrepa/core/tensor.js";
import { Graph } from "#softrepa/graph/graph.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { input } from "#softrepa/graph/ops.js";
import { type AutoencoderConfig, vaeDecoder, vaeEncoder } from "#softrepa/models/autoencoder-kl.js";
import { Weights } from "#softrepa/models/weights.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { sampleScene } from "#softrepa/scenes/sample-scene.js";
import { categories, imageSize } from "#softrepa/scenes/scene.js";
import { expectationOf, verify } from "#softrepa/scenes/verify.js";
import { renderShaded } from "./shaded.js";

const batch = 16;

/** Percentage of reconstructions of the latents' means that the verifier finds right, and their mean absolute error in [0, 1]; `count` is a multiple of 16. */
export async function measureReconstructions(
  engine: Engine,
  config: AutoencoderConfig,
  weights: ReadonlyMap<string, FloatTensor>,
  count: number,
): Promise<{ right: number; absolute: number }> {
  const graph = new Graph();
  const w = Weights.asInputs(graph);
  const { mean } = vaeEncoder(w, config, input(graph, "image", [batch, 3, imageSize, imageSize]));
  const session = await engine.compile(writeOnnx(graph, { again: vaeDecoder(w, config, mean) }, engine.target));
  const used = Object.fromEntries([...weights].filter(([name]) => w.used.has(name)));
  const random = new Generator(9);
  let [right, absolute] = [0, 0];
  for (let start = 0; start < count; start += batch) {
    const scenes = Array.from({ length: batch }, (_, index) =>
      sampleScene(index % 2 === 0 ? "train" : "held-out", random, categories[(start + index) % categories.length]),
    );
    const image = floatTensor([batch, 3, imageSize, imageSize]);
    const size = image.data.length / batch;
    for (const [index, scene] of scenes.entries()) image.data.set(renderShaded(scene).data, index * size);
    const { data } = (await session.run({ ...used, image })).again as FloatTensor;
    for (const [index, x] of image.data.entries()) absolute += Math.abs(x - data[index]) / 2;
    for (const [index, scene] of scenes.entries()) {
      const own = data.subarray(index * size, (index + 1) * size).map((x) => Math.max(-1, Math.min(1, x)));
      if (verify(floatTensor([3, imageSize, imageSize], own), expectationOf(scene)).correct) right++;
    }
  }
  await session.release();
  const percent = Number(((100 * right) / count).toFixed(2));
  return { right: percent, absolute: Number((absolute / (count * 3 * imageSize ** 2)).toFixed(5)) };
}
