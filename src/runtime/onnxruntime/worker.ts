/** @file The worker thread that owns onnxruntime: the only file outside tests that runs it. `run` blocks its thread, hence the worker. */

import { parentPort, workerData } from "node:worker_threads";
import type * as Ort from "onnxruntime-node";
import { messageOf } from "../../core/errors.js";
import type { DType, Tensor } from "../../core/tensor.js";
import type { CompileOptions, NamedTensors } from "../engine.js";
import type { OnnxModel } from "../model.js";
import type { Answer, Numbered, Request, WorkerSettings } from "./protocol.js";
import { sessionOptions } from "./session-options.js";

const settings: WorkerSettings = workerData;
const sessions = new Map<number, { session: Ort.InferenceSession; profiled: boolean }>();
let sessionCount = 0;

/**
 * Loaded at the first request: while one is waited for, nobody ends this thread, and ending it while the native part
 * loads aborts the process.
 */
async function load(): Promise<typeof Ort> {
  const ort = await import("onnxruntime-node").catch((error: unknown) => {
    throw new Error(`onnxruntime could not be loaded: ${messageOf(error)}`);
  });
  // Failures reach the user as errors; onnxruntime's own lines about them would only stand in between.
  ort.env.logLevel = "fatal";
  return ort;
}

function toOrt(ort: typeof Ort, tensor: Tensor): Ort.Tensor {
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

const resultTypes: Partial<Record<Ort.Tensor.Type, DType>> = {
  float32: "float32",
  float16: "float16",
  int64: "int64",
  bool: "bool",
};

function fromOrt(name: string, tensor: Ort.Tensor): Tensor {
  const dtype = resultTypes[tensor.type];
  if (dtype === undefined) throw new Error(`output ${name} has type ${tensor.type}`);
  const { data } = tensor;
  // From Node 24 on half precision comes as a Float16Array; tensors hold its patterns.
  if (dtype === "float16" && ArrayBuffer.isView(data)) {
    const patterns = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
    return { dtype, shape: [...tensor.dims], data: patterns };
  }
  // The pair of type and array is onnxruntime's.
  return { dtype, shape: [...tensor.dims], data } as Tensor;
}

async function compile(ort: typeof Ort, model: OnnxModel, options: CompileOptions): Promise<Answer> {
  const session = await ort.InferenceSession.create(model.bytes, sessionOptions(settings, model.weightFolder, options));
  sessions.set(++sessionCount, { session, profiled: options.profilePrefix !== undefined });
  return { kind: "compiled", session: sessionCount };
}

async function run(ort: typeof Ort, id: number, feeds: NamedTensors): Promise<Answer> {
  const entry = sessions.get(id);
  if (entry === undefined) throw new Error("the session has been released");
  const inputs = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toOrt(ort, tensor)]));
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

/** The message without the place in onnxruntime's sources where a condition "was false". */
function plainMessage(error: unknown): string {
  return messageOf(error).replace(
    /(Exception during initialization: )?\/onnxruntime_src\/\S+:\d+ .* was false\. (?=\S)/,
    "",
  );
}

async function handle(request: Request): Promise<Answer> {
  const ort = await load();
  switch (request.kind) {
    case "compile":
      return compile(ort, request.model, request.options);
    case "run":
      return run(ort, request.session, request.feeds);
    case "release":
      return release(request.session);
  }
}

let queue = Promise.resolve();
parentPort?.on("message", ({ id, body }: Numbered<Request>) => {
  queue = queue
    .then(() => handle(body))
    .catch((error: unknown): Answer => ({ kind: "failed", message: plainMessage(error) }))
    .then((answer) => {
      const reply: Numbered<Answer> = { id, body: answer };
      const transfers = answer.kind === "ran" ? Object.values(answer.results).map(({ data }) => data.buffer) : [];
      parentPort?.postMessage(reply, transfers as ArrayBuffer[]);
    });
});
