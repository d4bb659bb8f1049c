/** @file Messages between the main thread and the worker thread of a native library. */

import type { Tensor } from "../core/tensor.js";
import type { OnnxModel } from "../graph/onnx/model.js";
import type { CompileOptions, NamedTensors } from "./engine.js";

export type Request =
  | { readonly kind: "compile"; readonly model: OnnxModel; readonly options: CompileOptions }
  | { readonly kind: "run"; readonly session: number; readonly feeds: NamedTensors }
  | { readonly kind: "release"; readonly session: number };

export type Answer =
  | { readonly kind: "compiled"; readonly session: number }
  | { readonly kind: "ran"; readonly results: Readonly<Record<string, Tensor>> }
  | { readonly kind: "released" }
  | { readonly kind: "failed"; readonly message: string };

export interface Numbered<T> {
  readonly id: number;
  readonly body: T;
}
