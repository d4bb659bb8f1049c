/** @file The scoped weight reader: model code names each key and its expected shape where it uses it. */

import { InputError, unreachable } from "../core/errors.js";
import { floatTensor, formatShape, type Shape, sameShape } from "../core/tensor.js";
import type { GraphBuilder, Value } from "../graph/ir.js";
import { joinNames } from "../graph/names.js";
import { cast, concat, constant, input, parameter, transpose } from "../graph/ops.js";
import { type ArrangedTensor, type StoredTensor, shapeOf, type WeightSource } from "../weights/source.js";

/** Source of the values of weights; called once per key. */
interface Origin {
  value(graph: GraphBuilder, name: string, shape: Shape): Value;
  /** All keys of the source, used or not. */
  readonly keys: readonly string[];
  readonly label: string;
}

/** Reads the weights of a network for the code that builds it, within the scope of one of its modules. */
export class Weights {
  private constructor(
    readonly graph: GraphBuilder,
    private readonly origin: Origin,
    /** The graph's scope around the whole network. */
    private readonly root: string,
    /** The module's name in the checkpoint, e.g. `down_blocks.0.resnets.1`; empty for the whole network. */
    private readonly path: string,
    private readonly values: Map<string, Value>,
  ) {}

  /** The weights of a checkpoint, as references to its files. */
  static of(graph: GraphBuilder, source: WeightSource): Weights {
    const origin: Origin = {
      label: source.origin,
      keys: [...source.tensors.keys(), ...(source.arranged?.keys() ?? [])],
      value: (to, name, shape) => weightValue(to, source, name, shape),
    };
    return new Weights(graph, origin, graph.scope, "", new Map());
  }

  /** float32 graph inputs named like the weights, to train them or to list the weights of a network. */
  static asInputs(graph: GraphBuilder): Weights {
    const origin: Origin = { label: "inputs", keys: [], value: input };
    return new Weights(graph, origin, graph.scope, "", new Map());
  }

  /** The weights of submodule `name`: `scope("attn").tensor("to_q.weight", ...)` reads `attn.to_q.weight`. */
  scope(name: string | number): Weights {
    return new Weights(this.graph, this.origin, this.root, joinNames(this.path, `${name}`), this.values);
  }

  /** Runs `body` with this scope as the name of its nodes. See `module`. */
  within<T>(body: () => T): T {
    return this.graph.within(joinNames(this.root, this.path), body);
  }

  /** A weight cast to float32. Throws an InputError if it is missing or has another shape. */
  tensor(key: string, shape: Shape): Value {
    return cast(this.stored(key, shape), "float32");
  }

  /** A weight in its stored dtype, for tables of which only a few rows are read. */
  stored(key: string, shape: Shape): Value {
    const name = joinNames(this.path, key);
    const known = this.values.get(name);
    if (known !== undefined && sameShape(known.shape, shape)) return known;
    const value = this.origin.value(this.graph, name, shape);
    this.values.set(name, value);
    return value;
  }

  /** All weights read so far, by full key. */
  get used(): ReadonlyMap<string, Value> {
    return this.values;
  }

  /** Throws an InputError if the checkpoint has unused tensors, except those that match a pattern. */
  requireAllUsed(...ignore: readonly RegExp[]): void {
    const unused = this.origin.keys.filter(
      (name) => !this.values.has(name) && !ignore.some((pattern) => pattern.test(name)),
    );
    if (unused.length === 0) return;
    const shown = unused.slice(0, 5).join(", ");
    const more = unused.length > 5 ? ` and ${unused.length - 5} more` : "";
    throw new InputError(
      `${this.origin.label}: ${unused.length} tensors do not belong to the configured model: ${shown}${more}`,
    );
  }
}

/**
 * Defines a module of a network as a function of its weights. Its nodes have the scope of the module's name in the checkpoint,
 * which printed graphs, profiles, errors and taps use.
 */
export function module<Rest extends readonly unknown[], Result>(body: (w: Weights, ...rest: Rest) => Result) {
  return (w: Weights, ...rest: Rest): Result => w.within(() => body(w, ...rest));
}

/** Adds the tensor `name` to `graph`. Throws an InputError if it is missing or has another shape. */
function weightValue(graph: GraphBuilder, source: WeightSource, name: string, shape: Shape): Value {
  const given = shapeOf(source, name);
  if (given === undefined) {
    const leaf = name.split(".").slice(-2).join(".");
    const similar = [...source.tensors.keys()].find((key) => key.endsWith(leaf));
    const hint = similar === undefined ? "" : ` (it has e.g. ${similar})`;
    throw new InputError(`${source.origin}: the tensor ${name} is missing${hint}`);
  }
  if (!sameShape(given, shape)) {
    throw new InputError(
      `${source.origin}: ${name} has shape ${formatShape(given)}, the configuration requires ${formatShape(shape)}`,
    );
  }
  const arranged = source.arranged?.get(name);
  return arranged === undefined
    ? parameter(graph, source.tensors.get(name) as StoredTensor)
    : arrangedValue(graph, arranged);
}

/** Composes an arranged tensor in the graph; its parts are cast to float32. */
function arrangedValue(graph: GraphBuilder, tensor: ArrangedTensor): Value {
  const read = (stored: StoredTensor) => cast(parameter(graph, stored), "float32");
  switch (tensor.kind) {
    case "joined":
      return concat(tensor.parts.map(read), 0);
    case "transposed":
      return transpose(read(tensor.matrix), [1, 0]);
    case "identity": {
      const identity = floatTensor([tensor.size, tensor.size]);
      for (let index = 0; index < tensor.size; index++) identity.data[index * (tensor.size + 1)] = 1;
      return constant(graph, identity);
    }
    default:
      return unreachable(tensor);
  }
}
