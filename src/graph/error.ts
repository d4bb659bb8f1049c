/** @file The error that graph building throws. */

import { SoftrepaError } from "../core/errors.js";

/** A graph that cannot be built; the message names the operator and the shapes it was given. */
export class GraphError extends SoftrepaError {
  override readonly name = "GraphError";

  constructor(message: string, options?: ErrorOptions) {
    super("usage", message, options);
  }
}
