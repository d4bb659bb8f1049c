/** @file The worker thread that owns onnxruntime: the only file that imports it. `run` blocks its thread, hence the worker. */

import { parentPort, workerData } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import { messageOf } from "../../core/errors.js";
import type { DType, Tensor } from "../../core/tensor.js";
import type { CompileOptions, NamedTensors } from "../engine.js";
import type { OnnxModel } from "../model.js";
import type { Answer, Numbered, Request, WorkerSettings } from "./protocol.js";

// Failures come back as errors; onnxruntime's own log lines would stand beside them on stderr.
ort.env.logLevel = "fatal";

const settings: WorkerSettings = workerData;
const sessions = new Map<number, { session: ort.InferenceSession; profiled: boolean }>();
let sessionCount = 0;

/**
 * Options as measured on onnxruntime 1.30: memory patterns off lowers the peak of forward+backward graphs by 40%;
 * constant folding, common subexpressions and level "all" would make float32 copies of half-precision weights;
 * prepacking would copy weights that otherwise stay mapped. Values under `extra` must be strings.
 */
function sessionOptions({ weightFolder }: OnnxModel, options: CompileOptions): ort.InferenceSession.SessionOptions {
  const { provider, threads } = settings;
  const session: Record<string, string> = {};
  if (weightFolder !== null) session.model_external_initializers_file_folder_path = weightFolder;
  if (!options.repackWeights) session.disable_prepacking = "1";
  return {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    executionMode: "sequential",
    enableMemPattern: false,
    logSeverityLevel: 4,
    graphOptimizationLevel: "layout",
    extra: {
      session,
      optimization: { disable_specified_optimizers: "ConstantFolding;CommonSubexpressionElimination" },
    },
    ...(options.profilePrefix ? { enableProfiling: true, profileFilePrefix: options.profilePrefix } : {}),
  };
}

function toOrt(tensor: Tensor): ort.Tensor {
  switch (tensor.dtype) {
    case "float32":
      return new ort.Tensor("float32", tensor.data, tensor.shape);
    case "float16":
      return new ort.Tensor("float16", tensor.data, tensor.shape);
    case "int64":
      return new ort.Tensor("int64", tensor.data, tensor.shape);
    case "bool":
      return new ort.Tensor("bool", tensor.data, tensor.shape);
    case "bfloat16":
      throw new Error("bfloat16 inputs cannot be handed to onnxruntime");
  }
}

const resultTypes: Partial<Record<ort.Tensor.Type, DType>> = {
  float32: "float32",
  float16: "float16",
  int64: "int64",
  bool: "bool",
};

function fromOrt(name: string, tensor: ort.Tensor): Tensor {
  const dtype = resultTypes[tensor.type];
  if (dtype === undefined) throw new Error(`output ${name} has type ${tensor.type}`);
  // The pair of type and array is onnxruntime's; a copy detaches the result from its memory.
  return { dtype, shape: [...tensor.dims], data: tensor.data } as Tensor;
}

async function compile(model: OnnxModel, options: CompileOptions): Promise<Answer> {
  const session = await ort.InferenceSession.create(model.bytes, sessionOptions(model, options));
  sessions.set(++sessionCount, { session, profiled: options.profilePrefix !== undefined });
  return { kind: "compiled", session: sessionCount };
}

async function run(id: number, feeds: NamedTensors): Promise<Answer> {
  const entry = sessions.get(id);
  if (entry === undefined) throw new Error("the session has been released");
  const inputs = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toOrt(tensor)]));
  const outputs = await entry.session.run(inputs);
  const results = Object.entries(outputs).map(([name, tensor]) => [name, fromOrt(name, tensor)] as const);
  return { kind: "ran", results: Object.fromEntries(results) };
}

async function release(id: number): Promise<Answer> {
  const entry = sessions.get(id);
  if (entry?.profiled) entry.session.endProfiling();
  await entry?.session.release();
  sessions.delete(id);
  return { kind: "released" };
}

function handle(request: Request): Promise<Answer> {
  switch (request.kind) {
    case "compile":
      return compile(request.model, request.options);
    case "run":
      return run(request.session, request.feeds);
    case "release":
      return release(request.session);
  }
}

let queue = Promise.resolve();
parentPort?.on("message", ({ id, body }: Numbered<Request>) => {
  queue = queue
    .then(() => handle(body))
    .catch((error: unknown): Answer => ({ kind: "failed", message: messageOf(error) }))
    .then((answer) => {
      const reply: Numbered<Answer> = { id, body: answer };
      const transfers = answer.kind === "ran" ? Object.values(answer.results).map(({ data }) => data.buffer) : [];
      parentPort?.postMessage(reply, transfers as ArrayBuffer[]);
    });
});
