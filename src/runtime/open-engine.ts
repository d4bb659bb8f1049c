/** @file Choosing an execution provider. */

import { messageOf, RuntimeFailure } from "../core/errors.js";
import { floatTensor } from "../core/tensor.js";
import { candidateAccelerators } from "./devices.js";
import type { Engine, Provider } from "./engine.js";
import type { OnnxModel } from "./model.js";
import { OnnxRuntimeEngine } from "./onnxruntime/engine.js";

/** A small model with its inputs and right answers, which a provider must get right before `auto` takes it. */
export interface SelfTest {
  /** The model, written for what the engine can do. */
  readonly model: (engine: Engine) => OnnxModel;
  /** The input `x` and the outputs as the CPU provider computes them. */
  readonly input: { readonly shape: readonly number[]; readonly data: Float32Array };
}

/** Largest difference to the CPU's numbers that `auto` takes for rounding. */
const selfTestTolerance = 1e-3;

export interface OpenedEngine {
  readonly engine: Engine;
  /** Why other providers were passed over, one line each. */
  readonly passedOver: readonly string[];
}

/**
 * The engine for `provider`; `auto` takes the first accelerator of this platform whose numbers in the self-test agree
 * with the CPU's, else the CPU. `threads` 0 is one a physical core.
 */
export async function openEngine(provider: Provider | "auto", threads: number, test: SelfTest): Promise<OpenedEngine> {
  const cpu = new OnnxRuntimeEngine("cpu", threads);
  if (provider === "cpu") return { engine: cpu, passedOver: [] };
  const candidates = provider === "auto" ? candidateAccelerators() : [provider];
  if (candidates.length === 0) return { engine: cpu, passedOver: [] };
  const expected = await runSelfTest(cpu, test);
  const passedOver: string[] = [];
  for (const candidate of candidates) {
    const engine = new OnnxRuntimeEngine(candidate, threads);
    try {
      const difference = largestDifference(expected, await runSelfTest(engine, test));
      if (difference <= selfTestTolerance) {
        await cpu.close();
        return { engine, passedOver };
      }
      throw new RuntimeFailure(
        `provider ${candidate} cannot be trusted: its numbers differ from the CPU's by ${difference.toExponential(1)}`,
      );
    } catch (error) {
      await engine.close();
      if (provider !== "auto") {
        await cpu.close();
        throw new RuntimeFailure(`${messageOf(error)}; --provider auto takes what works here`, { cause: error });
      }
      passedOver.push(messageOf(error));
    }
  }
  return { engine: cpu, passedOver };
}

/** All outputs of the test model, one after the other. */
async function runSelfTest(engine: Engine, { model, input }: SelfTest): Promise<Float32Array> {
  const session = await engine.compile(model(engine));
  try {
    const outputs = await session.run({ x: floatTensor(input.shape, input.data) });
    return Float32Array.from(
      session.outputs.flatMap(({ name }) => {
        const tensor = outputs[name];
        return tensor?.dtype === "float32" ? [...tensor.data] : [];
      }),
    );
  } finally {
    await session.release();
  }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, index) => {
    const difference = Math.abs(value - b[index]);
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
  }, 0);
}
