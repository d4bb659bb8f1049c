import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Generator } from "../../core/random.js";
import { type FloatTensor, floatTensor, type Shape } from "../../core/tensor.js";
import { encodePng } from "../../data/png.js";
import { input } from "../../graph/ops.js";
import { fidInception, inceptionSide } from "../../models/fid-inception.js";
import { imageReward } from "../../models/image-reward.js";
import { lpips } from "../../models/lpips.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { syntheticWeight, weightShapes } from "../../testing/synthetic/weights.js";
import { writeTorchStateDict } from "../../weights/torch-write.js";
import { hashFile } from "./feature-cache.js";
import type { EvaluatedImage, OpenedMetric } from "./metric.js";
import { openMetrics } from "./open-metrics.js";
import type { MetricName } from "./registry.js";

/** The numbers of these networks are checked by the goldens (src/parity); here it is how their files and images are handled. */
describe("metrics of synthetic networks", () => {
  let root = "";
  const engine = new OnnxRuntimeEngine("cpu", 1);
  let images: EvaluatedImage[] = [];
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "softrepa-networks-"));
    for (const [index, [height, width]] of [
      [40, 48],
      [40, 48],
      [64, 32],
    ].entries()) {
      const file = join(root, `${index}.png`);
      const noise = new Generator(index).normal([3, height, width]);
      await writeFile(file, await encodePng({ ...noise, data: noise.data.map(Math.tanh) }, {}));
      images = [...images, { file, hash: await hashFile(file), prompt: index === 1 ? "two cats" : "a red cube" }];
    }
  });
  after(async () => {
    await engine.close();
    await rm(root, { recursive: true, force: true });
  });

  /** A PyTorch file, as the authors publish theirs. */
  async function write(file: string, shapes: Iterable<readonly [string, Shape]>): Promise<void> {
    const gain = (shape: Shape) => (shape.length === 4 ? Math.SQRT2 : 1);
    const tensors = new Map<string, FloatTensor>();
    for (const [name, shape] of shapes) {
      const values = syntheticWeight(name, shape);
      tensors.set(
        name,
        floatTensor(
          shape,
          values.map((value) => value * gain(shape)),
        ),
      );
    }
    await writeTorchStateDict(file, tensors);
  }

  async function open(name: MetricName, folder: string): Promise<OpenedMetric> {
    const { opened, notRun } = await openMetrics(engine, { weights: folder, names: [name], cache: null });
    assert.deepEqual(notRun, []);
    return opened[0];
  }

  it("LPIPS: 0 of an image with itself, the same both ways, and no comparison of different sizes", async () => {
    const folder = join(root, "lpips");
    await mkdir(folder);
    const image: Shape = [1, 3, 32, 32];
    const shapes = weightShapes((w, graph) => lpips(w, w, input(graph, "a", image), input(graph, "b", image)));
    const ofTrunk = ([name]: readonly [string, Shape]) => name.startsWith("features.");
    await write(join(folder, "vgg16-397923af.pth"), [
      ...[...shapes].filter(ofTrunk),
      ["classifier.0.bias", [4]] as const,
    ]);
    await write(
      join(folder, "vgg.pth"),
      [...shapes].filter((entry) => !ofTrunk(entry)).map(([name, shape]) => [name, shape] as const),
    );
    const metric = await open("LPIPS", folder);
    assert.ok(metric.kind === "pair");
    const [a, b, other] = images;
    const [same, there, back] = await metric.distances(
      [
        [a, a],
        [a, b],
        [b, a],
      ],
      {},
    );
    assert.ok(Math.abs(same) < 1e-7, String(same));
    assert.ok(Math.abs(there) > 1e-3 && Math.abs(there - back) < 1e-6 * Math.abs(there), `${there}, ${back}`);
    await assert.rejects(() => metric.distances([[a, other]], {}), /differ in size \(48 x 40, 32 x 64\)/);
    await metric.release();
  });

  it("FID: features of images of any size, each once", async () => {
    const folder = join(root, "fid");
    await mkdir(folder);
    const shapes = weightShapes((w, graph) =>
      fidInception(w, input(graph, "pixels", [1, 3, inceptionSide, inceptionSide])),
    );
    await write(join(folder, "pt_inception-2015-12-05-6726825d.pth"), [...shapes, ["fc.bias", [1008]] as const]);
    const metric = await open("FID", folder);
    assert.ok(metric.kind === "set");
    const seen: number[] = [];
    const features = await metric.features([...images, images[0]], { onProgress: (_, total) => seen.push(total) });
    assert.deepEqual([seen.at(-1), features.length, features[0].length], [3, 4, 2048]);
    assert.deepEqual(features[3], features[0]);
    assert.ok(features[0].some((value, i) => Math.abs(value - features[1][i]) > 1e-3));
    await metric.release();
  });

  it("ImageReward: a number of image and prompt together", async () => {
    const folder = join(root, "reward");
    await mkdir(join(folder, "bert-base-uncased"), { recursive: true });
    const vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "cube", "two", "cats"];
    await writeFile(join(folder, "bert-base-uncased", "vocab.txt"), `${vocabulary.join("\n")}\n`);
    const config = {
      vision: { width: 64, layers: 1, heads: 1, patch: 16, side: 32 },
      text: { width: 64, layers: 1, heads: 1, intermediate: 96, vocabulary: 9, positions: 40 },
    };
    const shapes = weightShapes((w, graph) => {
      const ids = () => ({ shape: [1, 35] as Shape });
      imageReward(w, config, {
        pixels: input(graph, "pixels", [1, 3, 32, 32]),
        inputIds: input(graph, "ids", ids().shape, "int64"),
        attentionMask: input(graph, "mask", ids().shape, "int64"),
      });
    });
    await write(join(folder, "ImageReward.pt"), [
      ...shapes,
      ["blip.text_encoder.embeddings.position_ids", [1, 40]] as const,
    ]);
    const metric = await open("ImageReward", folder);
    assert.ok(metric.kind === "prompt");
    const [first, second, third] = await metric.scores(images, {});
    const [swapped] = await metric.scores([{ ...images[0], prompt: images[1].prompt }], {});
    const differ = (a: number, b: number) => assert.ok(Math.abs(a - b) > 1e-5, `${a}, ${b}`);
    differ(first, second);
    differ(first, third);
    differ(first, swapped);
    await metric.release();
  });
});
