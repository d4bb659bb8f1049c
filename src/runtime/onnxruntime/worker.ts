/** @file The worker thread of onnxruntime, needed because `run` blocks its thread. No other file outside tests runs onnxruntime. */

import { workerData } from "node:worker_threads";
import type * as Ort from "onnxruntime-node";
import { messageOf } from "../../core/errors.js";
import type { DType, Tensor } from "../../core/tensor.js";
import { type NativeLibrary, serve } from "../worker-host.js";
import { sessionOptions, type WorkerSettings } from "./session-options.js";

const settings: WorkerSettings = workerData;

async function load(): Promise<NativeLibrary> {
  // With Node 24's Float16Array, onnxruntime 1.30 wraps float16 data in it, which its native code reads as empty arrays.
  Reflect.deleteProperty(globalThis, "Float16Array");
  const ort = await import("onnxruntime-node").catch((error: unknown) => {
    throw new Error(`onnxruntime could not be loaded: ${messageOf(error)}`);
  });
  // Failures are thrown as errors, so onnxruntime does not need to log them.
  ort.env.logLevel = "fatal";
  return {
    compile: async (model, options) => {
      const chosen = sessionOptions(settings, model, options);
      const session = await ort.InferenceSession.create(model.bytes, chosen);
      return {
        run: async (feeds) => {
          const inputs = Object.entries(feeds).map(([name, tensor]) => [name, toOrt(ort, tensor)] as const);
          const outputs = await session.run(Object.fromEntries(inputs));
          return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, fromOrt(name, tensor)]));
        },
        release: async () => {
          if (options.profilePrefix !== undefined) session.endProfiling();
          await session.release();
        },
      };
    },
    // Removes the location in onnxruntime's sources where a condition "was false".
    readableMessage: (message) =>
      message.replace(/(Exception during initialization: )?\/onnxruntime_src\/\S+:\d+ .* was false\. (?=\S)/, ""),
  };
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
      throw new Error("onnxruntime does not accept bfloat16 inputs");
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
  // onnxruntime guarantees that the array matches the type.
  return { dtype, shape: [...tensor.dims], data: tensor.data } as Tensor;
}

serve(load);
