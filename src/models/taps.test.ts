import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Generator } from "../core/random.js";
import { type FloatTensor, floatTensor } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import type { GraphNode, Tap, Value } from "../graph/ir.js";
import { writeOnnx } from "../graph/onnx/writer.js";
import { concat, input, slice } from "../graph/ops.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { assertClose, readComponent, readJson, sliceOf } from "../testing/models/support.js";
import { mmdit, mmditConfigSchema } from "./mmdit.js";
import { unet } from "./unet.js";
import { unetConfigSchema } from "./unet-config.js";
import { Weights } from "./weights.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());

const { source, config: json } = await readComponent("sd15/pipeline/unet");
const config = unetConfigSchema.parse(json);
const feeds = (() => {
  const random = new Generator(3);
  return {
    sample: random.normal([2, config.in_channels, 8, 8]),
    timestep: floatTensor([1], Float32Array.of(401)),
    prompt_embeds: random.normal([2, 5, config.crossWidth]),
  };
})();

/** The UNet on a batch of a source row and a target row. */
function build(graph: Graph, taps: readonly Tap[]): Value {
  const inputs = {
    sample: input(graph, "sample", feeds.sample.shape),
    timestep: input(graph, "timestep", [1]),
    promptEmbeds: input(graph, "prompt_embeds", feeds.prompt_embeds.shape),
    added: null,
  };
  return graph.withTaps(taps, () => unet(Weights.of(graph, source), config, inputs));
}

async function run(graph: Graph, prediction: Value): Promise<FloatTensor> {
  const session = await engine.compile(writeOnnx(graph, { prediction }, engine.target));
  const results = await session.run(feeds);
  await session.release();
  return results.prediction as FloatTensor;
}

/** Replaces both rows by the source row. */
function fromSource(value: Value): Value {
  const row = slice(value, 0, 0, 1);
  return concat([row, row], 0);
}

/**
 * The reference without taps: a node-by-node copy of the plain graph, with a node's inputs changed by `inputsOf` and its output
 * by `outputOf`.
 */
function altered(
  inputsOf: (node: GraphNode, inputs: readonly Value[]) => readonly Value[],
  outputOf: (node: GraphNode, output: Value) => Value = (_, output) => output,
) {
  const [plain, graph] = [new Graph(), new Graph()];
  const prediction = build(plain, []);
  const copies = new Map<Value, Value>();
  const copyOf = (value: Value): Value => {
    const copy = copies.get(value);
    assert.ok(copy);
    return copy;
  };
  for (const node of plain.nodes) {
    const made = graph.append(node.op, inputsOf(node, node.inputs.map(copyOf)), node.attributes);
    for (const [port, output] of node.outputs.entries()) {
      const copy = made[port];
      assert.ok(copy);
      copies.set(output, port === 0 ? outputOf(node, copy) : copy);
    }
  }
  return { graph, prediction: copyOf(prediction) };
}

describe("injection from the source row into the target row of one batch", () => {
  const upper = /^up_blocks\.(1\.attentions\.[12]|[23]\.attentions\.\d)\.transformer_blocks\.0\.attn1$/;

  async function check(taps: readonly Tap[], reference: ReturnType<typeof altered>): Promise<void> {
    const graph = new Graph();
    const found = await run(graph, build(graph, taps));
    assertClose("prediction", found, await run(reference.graph, reference.prediction), { atol: 1e-6, rtol: 1e-5 });
    const plainGraph = new Graph();
    const plain = await run(plainGraph, build(plainGraph, []));
    assertClose("source row", sliceOf(found, 0, 0, 1), sliceOf(plain, 0, 0, 1), { atol: 1e-6, rtol: 1e-5 });
    const difference = Math.max(...sliceOf(found, 0, 1, 2).data.map((x, i) => Math.abs(x - (plain.data[i] ?? 0))));
    assert.ok(difference > 1e-2, `${difference}`);
  }

  it("of queries and keys, and of convolutional features (Plug-and-Play)", async () => {
    const features = "up_blocks.1.resnets.1";
    const modules = new Set<string>();
    const taps: Tap[] = [
      {
        at: new RegExp(`${upper.source.slice(0, -1)}\\.[qk]$`),
        replace: (value, name) => {
          modules.add(name.slice(0, -2));
          return fromSource(value);
        },
      },
      { at: `${features}.out`, replace: fromSource },
    ];
    const reference = altered(
      ({ op, scope }, inputs) =>
        op === "attention" && upper.test(scope)
          ? inputs.map((value, index) => (index < 2 ? fromSource(value) : value))
          : inputs,
      ({ op, scope }, output) => (op === "conv2d" && scope === `${features}.conv2` ? fromSource(output) : output),
    );
    await check(taps, reference);
    assert.equal(modules.size, 8);
  });

  it("of keys and values (MasaCtrl)", async () => {
    const taps = [{ at: /^up_blocks\..*\.attn1\.[kv]$/, replace: fromSource }];
    const reference = altered(({ op, scope }, inputs) =>
      op === "attention" && /^up_blocks.*\.attn1$/.test(scope)
        ? inputs.map((value, index) => (index > 0 ? fromSource(value) : value))
        : inputs,
    );
    await check(taps, reference);
  });
});

describe("tap names", () => {
  /** Names inside `module`, without its prefix. */
  function namesBelow(module: string, network: (graph: Graph) => void): string[] {
    const graph = new Graph();
    const names: string[] = [];
    const replace = (value: Value, name: string) => {
      if (name.startsWith(module)) names.push(name.slice(module.length));
      return value;
    };
    graph.withTaps([{ at: /./, replace }], () => network(graph));
    return names;
  }

  it("of the UNet are queries, keys and values, and the residual of each module", () => {
    const names = (module: string) => namesBelow(module, (graph) => build(graph, []));
    assert.deepEqual(names("up_blocks.1.attentions.0."), [
      ...["attn1.q", "attn1.k", "attn1.v", "attn1.out", "attn2.q", "attn2.k", "attn2.v", "attn2.out", "ff.out"].map(
        (name) => `transformer_blocks.0.${name}`,
      ),
      "out",
    ]);
    assert.deepEqual(names("up_blocks.1.resnets.1."), ["out"]);
  });

  it("of the MM-DiT include both streams", () => {
    const mmditConfig = mmditConfigSchema.parse(readJson("sd35/pipeline/transformer/config.json"));
    const names = (block: number) =>
      namesBelow(`transformer_blocks.${block}.`, (graph) =>
        mmdit(Weights.asInputs(graph), mmditConfig, {
          sample: input(graph, "sample", [1, mmditConfig.in_channels, 8, 8]),
          timestep: input(graph, "timestep", [1]),
          promptEmbeds: input(graph, "prompt_embeds", [1, 3, mmditConfig.joint_attention_dim]),
          pooled: input(graph, "pooled", [1, mmditConfig.pooled_projection_dim]),
        }),
      );
    const [dual = 0] = mmditConfig.dual_attention_layers;
    assert.deepEqual(names(dual), [
      ...["image", "context", "attn.q", "attn.added_q", "attn.k", "attn.added_k", "attn.v", "attn.added_v"],
      ...["attn.out", "attn.added_out", "attn2.q", "attn2.k", "attn2.v", "attn2.out", "ff.out", "ff_context.out"],
    ]);
  });
});
