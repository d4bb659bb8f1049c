/** @file Choosing a library and an execution provider: the fastest that this machine has and that computes right. */

import { InputError, messageOf, RuntimeFailure } from "../core/errors.js";
import { zip } from "../core/lists.js";
import { floatTensor } from "../core/tensor.js";
import { candidateAccelerators } from "./devices.js";
import type { Engine, Library, Precision, Provider } from "./engine.js";
import { OnnxRuntimeEngine } from "./onnxruntime/engine.js";
import { OpenVinoEngine } from "./openvino/engine.js";
import { findOpenVino, libraryVariable } from "./openvino/find-library.js";
import { engineSelfTest, type SelfTest } from "./self-test.js";

/** What to open; `auto`, which everything left out is, takes the fastest. */
export interface EngineRequest {
  readonly engine?: Library | "auto";
  /** Other providers than `cpu` are onnxruntime's. */
  readonly provider?: Provider | "auto";
  /** `auto` is bf16 where library and processor have it. */
  readonly precision?: Precision | "auto";
  /** 0, as without it, is one a physical core. */
  readonly threads?: number;
}

export interface OpenedEngine {
  readonly engine: Engine;
  /** Why others were passed over, one line each. */
  readonly passedOver: readonly string[];
}

/** Largest difference between outputs, by the output's largest number, that is taken for rounding. */
const tolerances: Readonly<Record<Precision, number>> = { fp32: 1e-4, bf16: 2e-2 };

/**
 * The engine asked for. Among those that are left to choose, accelerators come first, then OpenVINO, then onnxruntime on
 * the CPU; one whose numbers in the self-test are not onnxruntime's on the CPU is not taken.
 *
 * @throws InputError for a request that contradicts itself; RuntimeFailure if what is asked for does not work here.
 */
export async function openEngine(request: EngineRequest = {}, test: SelfTest = engineSelfTest): Promise<OpenedEngine> {
  const { engine: library = "auto", provider = "auto", precision = "auto", threads = 0 } = request;
  const candidates = candidatesOf(library, provider, precision, threads);
  const passedOver: string[] = [];
  const cpu = new OnnxRuntimeEngine("cpu", threads);
  let expected: readonly Float32Array[] | null = null;
  for (const { name, open } of candidates) {
    let engine: Engine | null = null;
    try {
      engine = await open();
      expected ??= await runSelfTest(cpu, test);
      const difference = largestDifference(expected, await runSelfTest(engine, test));
      if (difference > tolerances[engine.precision]) {
        const by = difference.toExponential(1);
        throw new RuntimeFailure(`${name} cannot be trusted: its numbers differ from the CPU's by ${by}`);
      }
      await cpu.close();
      return { engine, passedOver };
    } catch (error) {
      await engine?.close();
      if (library !== "auto" || (provider !== "auto" && provider !== "cpu") || precision === "bf16") {
        await cpu.close();
        const option = library === "auto" ? "`provider`" : "`engine`";
        throw new RuntimeFailure(`${messageOf(error)}; ${option} auto takes what works here`, { cause: error });
      }
      passedOver.push(messageOf(error));
    }
  }
  return { engine: cpu, passedOver };
}

interface Candidate {
  readonly name: string;
  readonly open: () => Promise<Engine>;
}

/** What to try, best first, before onnxruntime on the CPU, which needs no trial. */
function candidatesOf(
  library: Library | "auto",
  provider: Provider | "auto",
  precision: Precision | "auto",
  threads: number,
): readonly Candidate[] {
  const accelerators = provider === "auto" ? candidateAccelerators() : provider === "cpu" ? [] : [provider];
  const ofOnnxRuntime = accelerators.map((name) => ({
    name: `provider ${name}`,
    open: async () => new OnnxRuntimeEngine(name, threads),
  }));
  const isOtherProvider = provider !== "auto" && provider !== "cpu";
  if (isOtherProvider && library === "openvino") {
    throw new InputError(`provider ${provider} is onnxruntime's: leave out \`engine\` openvino or \`provider\``);
  }
  if (precision === "bf16" && (library === "onnxruntime" || isOtherProvider)) {
    throw new InputError("onnxruntime computes in fp32: bf16 needs OpenVINO (`engine` openvino)");
  }
  if (library === "onnxruntime" || isOtherProvider) return ofOnnxRuntime;
  const file = findOpenVino();
  const ofOpenVino = file
    ? [{ name: "OpenVINO", open: () => OpenVinoEngine.open(file, precision, threads) }]
    : library === "openvino" || precision === "bf16"
      ? [{ name: "OpenVINO", open: () => Promise.reject(new RuntimeFailure(notFound)) }]
      : [];
  return library === "openvino" || precision === "bf16" ? ofOpenVino : [...ofOnnxRuntime, ...ofOpenVino];
}

const notFound = `OpenVINO is not found: install it (its archive, or the Python package openvino), or set ${libraryVariable} to the folder of libopenvino_c`;

/** All outputs of the test model. */
async function runSelfTest(engine: Engine, { model, input }: SelfTest): Promise<readonly Float32Array[]> {
  const session = await engine.compile(model(engine));
  try {
    const outputs = await session.run({ x: floatTensor(input.shape, input.data) });
    return session.outputs.flatMap(({ name }) => {
      const tensor = outputs[name];
      return tensor?.dtype === "float32" ? [tensor.data] : [];
    });
  } finally {
    await session.release();
  }
}

function largestDifference(expected: readonly Float32Array[], found: readonly Float32Array[]): number {
  const differences = zip(expected, found).map(([numbers, others]) => {
    const scale = numbers.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    return numbers.reduce((largest, value, index) => {
      const difference = Math.abs(value - (others[index] ?? Number.NaN)) / scale;
      return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
    }, 0);
  });
  return Math.max(...differences);
}
