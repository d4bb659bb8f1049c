/** @file Types and the error that all of graph/ shares. */

import type { DType, Shape } from "../core/tensor.js";

/** Element type and static shape of a value. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A graph that cannot be built; the message names the operator and the shapes it was given. */
export class GraphError extends Error {
  override readonly name = "GraphError";
}
