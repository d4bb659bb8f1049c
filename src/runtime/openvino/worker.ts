/** @file The worker thread of OpenVINO, needed because a run blocks its thread. */

import { workerData } from "node:worker_threads";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { messageOf } from "../../core/errors.js";
import { zip } from "../../core/lists.js";
import { sizeOf, type Tensor } from "../../core/tensor.js";
import type { OnnxModel, TensorSpec } from "../../graph/onnx/model.js";
import type { NamedTensors, Precision } from "../engine.js";
import { type NativeLibrary, type NativeSession, serve } from "../worker-host.js";
import { type HoistedInput, hoistTrigonometry } from "./hoist-trigonometry.js";
import type { Handle, OpenVino } from "./library.js";
import { mapWeights } from "./weights.js";

export interface WorkerSettings {
  readonly library: string;
  readonly precision: Precision;
  /** 0 means one per physical core. */
  readonly threads: number;
}

const settings: WorkerSettings = workerData;

const precisionHints: Readonly<Record<Precision, string>> = { fp32: "f32", bf16: "bf16" };

async function load(): Promise<NativeLibrary> {
  // Imported here because koffi is only needed with OpenVINO.
  const { loadOpenVino } = await import("./library.js");
  const openvino = withContext(`${settings.library} could not be loaded`, () => loadOpenVino(settings.library));
  const core = openvino.createCore();
  const options = {
    INFERENCE_PRECISION_HINT: precisionHints[settings.precision],
    PERFORMANCE_HINT: "LATENCY",
    NUM_STREAMS: "1",
    ...(settings.threads > 0 ? { INFERENCE_NUM_THREADS: String(settings.threads) } : {}),
  };
  return {
    compile: async (model) => {
      const proto = fromBinary(ModelProtoSchema, model.bytes);
      const hoisted = settings.precision === "fp32" || !proto.graph ? [] : hoistTrigonometry(proto.graph);
      const mapped = mapWeights(proto, model.weightFolder);
      try {
        const read = openvino.readModel(core, mapped.bytes);
        try {
          return new OpenVinoSession(openvino, openvino.compile(core, read, "CPU", options), model, hoisted);
        } finally {
          openvino.free("model", read);
        }
      } finally {
        mapped.close();
      }
    },
    readableMessage,
  };
}

class OpenVinoSession implements NativeSession {
  private readonly request: Handle;
  private readonly inputs: ReadonlyMap<string, Uint8Array>;
  private readonly hoistedInputs: readonly Uint8Array[];

  constructor(
    private readonly openvino: OpenVino,
    private readonly compiled: Handle,
    private readonly model: OnnxModel,
    private readonly hoisted: readonly HoistedInput[],
  ) {
    const request = openvino.createRequest(compiled);
    this.request = request;
    this.inputs = new Map(model.inputs.map(({ name }, index) => [name, openvino.memory(request, "input", index)]));
    this.hoistedInputs = hoisted.map((_, index) => openvino.memory(request, "input", model.inputs.length + index));
  }

  run(feeds: NamedTensors): NamedTensors {
    for (const [name, { data }] of Object.entries(feeds)) {
      this.inputs.get(name)?.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    for (const [{ compute }, memory] of zip(this.hoisted, this.hoistedInputs)) {
      memory.set(new Uint8Array(compute(feeds).buffer));
    }
    this.openvino.infer(this.request);
    return Object.fromEntries(
      this.model.outputs.map((spec, index) => {
        const bytes = this.openvino.memory(this.request, "output", index);
        return [spec.name, tensorOf(spec, bytes)];
      }),
    );
  }

  release(): void {
    this.openvino.free("infer_request", this.request);
    this.openvino.free("compiled_model", this.compiled);
  }
}

/** Copies an output, which the library overwrites at the next run. */
function tensorOf({ name, dtype, shape }: TensorSpec, bytes: Uint8Array): Tensor {
  const { buffer } = bytes.slice();
  const data = arrayOf(dtype, buffer);
  if (data.length !== sizeOf(shape)) throw new Error(`output ${name} has ${data.length} elements of ${sizeOf(shape)}`);
  return { dtype, shape, data } as Tensor;
}

function arrayOf(dtype: Tensor["dtype"], buffer: ArrayBuffer): Tensor["data"] {
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer);
    case "float16":
    case "bfloat16":
      return new Uint16Array(buffer);
    case "int64":
      return new BigInt64Array(buffer);
    case "bool":
      return new Uint8Array(buffer);
  }
}

/** The message in one line, without locations in the library's sources. */
function readableMessage(message: string): string {
  const line = message.replace(/\s+/g, " ").replace(/(Exception from|Check '.*?' failed at) src\/\S+:\d+: */g, "");
  return line.length > 250 ? `${line.slice(0, 250)}...` : line.trim();
}

function withContext<T>(doing: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new Error(`${doing}: ${messageOf(error)}`);
  }
}

serve(load);
