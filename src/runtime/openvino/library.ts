/** @file Bindings to the parts of OpenVINO's C interface that are used (openvino/c/ov_core.h and other headers). */

import koffi, { type LibraryHandle } from "koffi";

/** Address of a native object, which must be freed. */
export type Handle = bigint;

type Freed = "core" | "model" | "compiled_model" | "infer_request";

export interface OpenVino {
  /** E.g. 2026.4.0-22959-... */
  readonly version: string;
  createCore(): Handle;
  /** Reads an ONNX model from its bytes. */
  readModel(core: Handle, bytes: Uint8Array): Handle;
  getProperty(core: Handle, device: string, key: string): string;
  compile(core: Handle, model: Handle, device: string, options: Readonly<Record<string, string>>): Handle;
  createRequest(compiled: Handle): Handle;
  /** The memory of a request's input or output, owned by the request; an output's may move at the next run. */
  memory(request: Handle, side: "input" | "output", index: number): Uint8Array;
  infer(request: Handle): void;
  free(kind: Freed, handle: Handle): void;
}

/** Binds the library in `file`; throws if it cannot be loaded or lacks a function. */
export function loadOpenVino(file: string): OpenVino {
  const library = koffi.load(file);
  const lastMessage = library.func("str ov_get_last_err_msg()");

  /** Wraps a function that returns a status; a status other than 0 throws the library's message. */
  function checked(declaration: string): (...args: readonly unknown[]) => void {
    const call = library.func(`int ${declaration}`);
    return (...args) => {
      const status: unknown = call(...args);
      if (status !== 0) throw new Error(String(lastMessage() ?? `OpenVINO failed with status ${status}`));
    };
  }

  /** Wraps a function whose last argument is an out parameter for a handle. */
  function returningHandle(declaration: string): (...args: readonly unknown[]) => Handle {
    const call = checked(declaration);
    return (...args) => {
      const out: [Handle] = [0n];
      call(...args, out);
      return out[0];
    };
  }

  const createCore = returningHandle("ov_core_create(_Out_ void **core)");
  const readModel = returningHandle(
    "ov_core_read_model_from_memory_buffer(void *core, void *model, size_t length, void *weights, _Out_ void **model)",
  );
  const compile = checked(
    "ov_core_compile_model(void *core, void *model, str device, size_t args, _Out_ void **compiled, ...)",
  );
  const getProperty = checked("ov_core_get_property(void *core, str device, str key, _Out_ str *value)");
  const createRequest = returningHandle("ov_compiled_model_create_infer_request(void *compiled, _Out_ void **request)");
  const infer = checked("ov_infer_request_infer(void *request)");
  const tensor = {
    input: returningHandle(
      "ov_infer_request_get_input_tensor_by_index(void *request, size_t index, _Out_ void **tensor)",
    ),
    output: returningHandle(
      "ov_infer_request_get_output_tensor_by_index(void *request, size_t index, _Out_ void **tensor)",
    ),
  };
  const dataOf = returningHandle("ov_tensor_data(void *tensor, _Out_ void **data)");
  const bytesOf = checked("ov_tensor_get_byte_size(void *tensor, _Out_ size_t *size)");
  const freeTensor = library.func("void ov_tensor_free(void *tensor)");
  const frees: Record<Freed, (handle: Handle) => void> = {
    core: library.func("void ov_core_free(void *core)"),
    model: library.func("void ov_model_free(void *model)"),
    compiled_model: library.func("void ov_compiled_model_free(void *compiled)"),
    infer_request: library.func("void ov_infer_request_free(void *request)"),
  };

  return {
    version: readVersion(library),
    createCore,
    readModel: (core, bytes) => readModel(core, bytes, bytes.length, null),
    compile: (core, model, device, options) => {
      const args = Object.entries(options).flat();
      const out: [Handle] = [0n];
      compile(core, model, device, args.length, out, ...args.flatMap((value) => ["str", value]));
      return out[0];
    },
    getProperty: (core, device, key) => {
      const out: [string] = [""];
      getProperty(core, device, key, out);
      return out[0];
    },
    createRequest,
    memory: (request, side, index) => {
      const handle = tensor[side](request, index);
      try {
        const size: [number] = [0];
        bytesOf(handle, size);
        return size[0] === 0 ? new Uint8Array() : new Uint8Array(koffi.view(dataOf(handle), size[0]));
      } finally {
        freeTensor(handle);
      }
    },
    infer,
    free: (kind, handle) => frees[kind](handle),
  };
}

function readVersion(library: LibraryHandle): string {
  const version = koffi.struct({ buildNumber: "str", description: "str" });
  const out: [{ buildNumber: string } | null] = [null];
  const read = library.func("ov_get_openvino_version", "int", [koffi.out(koffi.pointer(version))]);
  return read(out) === 0 && out[0] ? out[0].buildNumber : "of unknown version";
}
