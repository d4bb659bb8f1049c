/** @file The scoped weight reader: model code names each key and its expected shape where it uses it. */

import { InputError } from "../core/errors.js";
import { formatShape, type Shape, sameShape } from "../core/tensor.js";
import type { Graph, Value } from "../graph/graph.js";
import { cast, parameter } from "../graph/ops.js";
import type { StoredTensor, WeightSource } from "../weights/source.js";

/** Reads the tensors of a checkpoint into one graph, under a key prefix. */
export class Weights {
  private constructor(
    readonly graph: Graph,
    private readonly source: WeightSource,
    private readonly prefix: string,
    private readonly values: Map<string, Value>,
  ) {}

  /** The whole of `source`. */
  static of(graph: Graph, source: WeightSource): Weights {
    return new Weights(graph, source, "", new Map());
  }

  /** The tensors below `name`; `scope("attn").tensor("to_q.weight", ...)` reads `attn.to_q.weight`. */
  scope(name: string | number): Weights {
    return new Weights(this.graph, this.source, `${this.prefix}${name}.`, this.values);
  }

  /** A weight as float32, whatever it is stored as. */
  tensor(key: string, shape: Shape): Value {
    return cast(this.stored(key, shape), "float32");
  }

  /** A weight in its stored type, for tables of which only a few rows are read. */
  stored(key: string, shape: Shape): Value {
    const name = this.prefix + key;
    const stored = this.find(name);
    if (!sameShape(stored.shape, shape)) {
      throw new InputError(
        `${this.source.origin}: ${name} has shape ${formatShape(stored.shape)}, the configuration asks for ${formatShape(shape)}`,
      );
    }
    const known = this.values.get(name);
    if (known !== undefined) return known;
    const value = parameter(this.graph, stored);
    this.values.set(name, value);
    return value;
  }

  /** Throws when the checkpoint holds tensors that nothing has read, except those that match a pattern. */
  requireAllUsed(...ignore: readonly RegExp[]): void {
    const unused = [...this.source.tensors.keys()].filter(
      (name) => !this.values.has(name) && !ignore.some((pattern) => pattern.test(name)),
    );
    if (unused.length === 0) return;
    const shown = unused.slice(0, 5).join(", ");
    const more = unused.length > 5 ? ` and ${unused.length - 5} more` : "";
    throw new InputError(
      `${this.source.origin}: ${unused.length} tensors do not belong to the configured model: ${shown}${more}`,
    );
  }

  private find(name: string): StoredTensor {
    const stored = this.source.tensors.get(name);
    if (stored !== undefined) return stored;
    const leaf = name.split(".").slice(-2).join(".");
    const similar = [...this.source.tensors.keys()].find((key) => key.endsWith(leaf));
    const hint = similar === undefined ? "" : ` (it has e.g. ${similar})`;
    throw new InputError(`${this.source.origin}: the tensor ${name} is missing${hint}`);
  }
}
