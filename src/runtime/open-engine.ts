/** @file Selects the fastest library and execution provider that this machine has and that computes correctly. */

import { InputError, messageOf, RuntimeFailure } from "../core/errors.js";
import { zip } from "../core/lists.js";
import { floatTensor } from "../core/tensor.js";
import { candidateAccelerators } from "./devices.js";
import type { Engine, Library, Precision, Provider } from "./engine.js";
import { OnnxRuntimeEngine } from "./onnxruntime/engine.js";
import { OpenVinoEngine } from "./openvino/engine.js";
import { findOpenVino, libraryVariable } from "./openvino/find-library.js";
import { engineSelfTest, type SelfTest } from "./self-test.js";

/** Options of `openEngine`; each defaults to `auto`, which selects the fastest. */
export interface EngineRequest {
  readonly engine?: Library | "auto";
  /** Providers other than `cpu` belong to onnxruntime. */
  readonly provider?: Provider | "auto";
  /** `auto` is bf16 if library and processor support it. */
  readonly precision?: Precision | "auto";
  /** 0 (the default) means one per physical core. */
  readonly threads?: number;
}

export interface OpenedEngine {
  readonly engine: Engine;
  /** Why faster candidates were rejected, one line each. */
  readonly rejected: readonly string[];
}

/** Largest difference accepted as rounding, relative to the largest absolute value of the output. */
const tolerances: Readonly<Record<Precision, number>> = { fp32: 1e-4, bf16: 2e-2 };

/**
 * Opens the requested engine. `auto` tries accelerators first, then OpenVINO, then onnxruntime on the CPU, and rejects an
 * engine whose self-test results differ from those of onnxruntime on the CPU.
 *
 * @throws InputError for contradictory options; RuntimeFailure if the requested engine does not work on this machine.
 */
export async function openEngine(request: EngineRequest = {}, test: SelfTest = engineSelfTest): Promise<OpenedEngine> {
  const { engine: library = "auto", provider = "auto", precision = "auto", threads = 0 } = request;
  const candidates = listCandidates(library, provider, precision, threads);
  const rejected: string[] = [];
  const cpu = new OnnxRuntimeEngine("cpu", threads);
  let expected: readonly Float32Array[] | null = null;
  for (const { name, open } of candidates) {
    let engine: Engine | null = null;
    try {
      engine = await open();
      expected ??= await runSelfTest(cpu, test);
      const difference = largestDifference(expected, await runSelfTest(engine, test));
      if (difference > tolerances[engine.precision]) {
        const relative = difference.toExponential(1);
        throw new RuntimeFailure(
          `${name} computes wrong results: they differ from the CPU's by ${relative} (relative)`,
        );
      }
      await cpu.close();
      return { engine, rejected };
    } catch (error) {
      await engine?.close();
      if (library !== "auto" || (provider !== "auto" && provider !== "cpu") || precision === "bf16") {
        await cpu.close();
        const option = library === "auto" ? "`provider`" : "`engine`";
        throw new RuntimeFailure(`${messageOf(error)}; ${option} auto selects one that works`, { cause: error });
      }
      rejected.push(messageOf(error));
    }
  }
  return { engine: cpu, rejected };
}

interface Candidate {
  readonly name: string;
  readonly open: () => Promise<Engine>;
}

/** Candidates in the order to try; the fallback, onnxruntime on the CPU, needs no test. */
function listCandidates(
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

const notFound = `OpenVINO is not found: install it (its archive, or the Python package openvino), or set ${libraryVariable} to the absolute path of the folder with libopenvino_c`;

/** Runs the test model and returns its float32 outputs. */
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
  const differences = zip(expected, found).map(([reference, actual]) => {
    const scale = reference.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    return reference.reduce((largest, value, index) => {
      const difference = Math.abs(value - (actual[index] ?? Number.NaN)) / scale;
      return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
    }, 0);
  });
  return Math.max(...differences);
}
