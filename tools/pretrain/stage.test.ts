import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { InputError } from "#softrepa/core/errors.js";
import { Generator } from "#softrepa/core/random.js";
import { input, mul, reduceMean, sub } from "#softrepa/graph/ops.js";
import { linear } from "#softrepa/models/layers.js";
import type { Weights } from "#softrepa/models/weights.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { openSafetensors, readTensor } from "#softrepa/weights/safetensors.js";
import { initialWeights } from "./initial.js";
import { type Losses, Network } from "./network.js";
import { runStage, type Stage, trapezoid } from "./stage.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
const folder = await mkdtemp(join(tmpdir(), "softrepa-stage-"));
after(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

/** Learns y = 2 x by a matrix, beside a fixed matrix and one that nothing depends on. */
function build(w: Weights): Losses {
  const x = input(w.graph, "x", [8, 3]);
  linear(w.scope("unused"), x, 2);
  const y = linear(w.scope("fixed"), linear(w.scope("learned"), x, 3), 3);
  const difference = sub(y, mul(x, 2));
  return { loss: reduceMean(mul(difference, difference), [0, 1]) };
}

function compile(): Promise<Network> {
  const settings = { weightDecay: 0.01, beta2: 0.99, gradientNorm: 1, averageDecay: 0.9 };
  return Network.compile(engine, build, initialWeights(1, []), settings, (name) => name.startsWith("fixed"));
}

function stageOf(network: Network, steps: number): Stage {
  const nextBatch = (random: Generator) => ({ x: random.normal([8, 3]) });
  return { name: "toy", network, steps, batch: 8, nextBatch, learningRate: trapezoid(0.05, 5, 40, 120) };
}

const quiet = { signal: new AbortController().signal, print: () => {} };

describe("a stage of pre-training", () => {
  it("learns, leaves fixed weights alone, and logs", async () => {
    const network = await compile();
    const before = network.averages().get("fixed.weight")?.data.slice();
    assert.equal(await runStage(stageOf(network, 120), join(folder, "whole"), quiet), true);
    const lines = (await readFile(join(folder, "whole", "toy.jsonl"), "utf8")).trim().split("\n");
    const losses = lines.map((line) => JSON.parse(line) as { step: number; images: number; loss: number });
    assert.deepEqual(
      losses.map(({ step, images }) => [step, images]),
      [
        [50, 400],
        [100, 800],
        [120, 960],
      ],
    );
    assert.ok(losses[2].loss < 0.2 * losses[0].loss, JSON.stringify(losses));
    assert.deepEqual(network.averages().get("fixed.weight")?.data, before);
    assert.ok(network.averages().has("unused.weight"));
  });

  it("keeps a running average of what it learns, which begins as a plain one", async () => {
    const network = await compile();
    const saved = async (step: number) => {
      await network.train({ x: new Generator(step).normal([8, 3]) }, 0.05);
      const file = join(folder, `average-${step}.safetensors`);
      await network.save(file);
      const { tensors } = await openSafetensors(file);
      const read = ["weight", "average"].map(async (kind) => {
        const stored = tensors.get(`${kind}/learned.weight`);
        assert.ok(stored);
        return (await readTensor(stored)).data;
      });
      const [weight, average] = await Promise.all(read);
      return { weight, average };
    };
    const [first, second] = [await saved(1), await saved(2)];
    const keep = 2 / 12;
    for (const [i, average] of second.average.entries()) {
      const wanted = keep * first.average[i] + (1 - keep) * second.weight[i];
      assert.ok(Math.abs(average - wanted) < 1e-6, `${average}, not ${wanted}`);
      assert.ok(Math.abs(second.weight[i] - first.weight[i]) > 1e-3);
    }
  });

  it("stopped and gone on with, comes to the same weights bit for bit", async () => {
    const whole = await compile();
    await runStage(stageOf(whole, 60), join(folder, "through"), quiet);
    const interruption = new AbortController();
    const first = await compile();
    let steps = 0;
    const stage = stageOf(first, 60);
    const stopping: Stage = {
      ...stage,
      nextBatch: (random, step) => {
        if (++steps === 57) interruption.abort();
        return stage.nextBatch(random, step);
      },
    };
    assert.equal(await runStage(stopping, join(folder, "parts"), { ...quiet, signal: interruption.signal }), false);
    const second = await compile();
    assert.equal(await runStage(stageOf(second, 60), join(folder, "parts"), quiet), true);
    assert.equal(second.step, 60);
    assert.deepEqual(second.averages(), whole.averages());
    const [one, other] = await Promise.all(
      ["through", "parts"].map((name) => readFile(join(folder, name, "toy.safetensors"))),
    );
    assert.deepEqual(one, other);
  });

  it("killed between two saved states and gone on with, comes to the same state and logs", async () => {
    const measured: number[] = [];
    const evaluated = (network: Network): Stage => ({
      ...stageOf(network, 60),
      evaluation: {
        everySteps: 20,
        measure: () => {
          measured.push(network.step);
          return Promise.resolve({ mean: (network.averages().get("learned.weight")?.data ?? [])[0] });
        },
      },
    });
    await runStage(evaluated(await compile()), join(folder, "unkilled"), quiet);
    const stage = evaluated(await compile());
    const killed: Stage = {
      ...stage,
      // What a kill leaves: the state of the last save and what the logs had by then, one of them in the midst of a line.
      nextBatch: (random, step) => {
        if (step === 57) throw new Error("killed");
        return stage.nextBatch(random, step);
      },
    };
    await assert.rejects(runStage(killed, join(folder, "killed"), quiet), /killed/);
    await appendFile(join(folder, "killed", "toy.jsonl"), '{"step":5');
    const second = evaluated(await compile());
    assert.equal(await runStage(second, join(folder, "killed"), quiet), true);
    assert.deepEqual(measured, [20, 40, 60, 20, 40, 60]);
    for (const file of ["toy.safetensors", "toy-evaluation.jsonl"]) {
      const [one, other] = await Promise.all(["unkilled", "killed"].map((name) => readFile(join(folder, name, file))));
      assert.deepEqual(other, one, file);
    }
    const log = await readFile(join(folder, "killed", "toy.jsonl"), "utf8");
    const steps = log
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { step: number }).step);
    assert.deepEqual(steps, [50, 60]);
  });

  it("refuses the state of another network", async () => {
    const network = await compile();
    await network.save(join(folder, "other", "toy.safetensors"));
    const other = await Network.compile(
      engine,
      (w) => ({ loss: reduceMean(linear(w.scope("another"), input(w.graph, "x", [8, 3]), 3), [0, 1]) }),
      initialWeights(1, []),
      { weightDecay: 0, beta2: 0.99, gradientNorm: 1, averageDecay: 0.9 },
    );
    await assert.rejects(other.load(join(folder, "other", "toy.safetensors")), InputError);
  });
});

describe("trapezoid", () => {
  it("warms up, stays, and falls to almost nothing", () => {
    const rate = trapezoid(1, 10, 20, 100);
    assert.deepEqual([0, 9, 50, 80, 90, 99].map(rate), [0.1, 1, 1, 1, 0.5, 0.05]);
  });
});
