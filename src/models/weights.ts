/** @file The scoped weight reader: model code names each key and its expected shape where it uses it. */

import { InputError, unreachable } from "../core/errors.js";
import { floatTensor, formatShape, type Shape, sameShape } from "../core/tensor.js";
import type { GraphBuilder, Value } from "../graph/ir.js";
import { joinNames } from "../graph/names.js";
import { cast, concat, constant, input, parameter, transpose } from "../graph/ops.js";
import { type ArrangedTensor, type StoredTensor, shapeOf, type WeightSource } from "../weights/source.js";

/** Where the values of weights come from. Asked once for each key. */
interface Origin {
  value(graph: GraphBuilder, name: string, shape: Shape): Value;
  /** Keys that exist and may never have been asked for. */
  readonly keys: readonly string[];
  readonly label: string;
}

/** Hands out the weights of a network to the code that builds it, under the name of one of its modules. */
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

  /** The weights of a checkpoint, which stay in their files. */
  static of(graph: GraphBuilder, source: WeightSource): Weights {
    const origin: Origin = {
      label: source.origin,
      keys: [...source.tensors.keys(), ...(source.arranged?.keys() ?? [])],
      value: (to, name, shape) => weightValue(to, source, name, shape),
    };
    return new Weights(graph, origin, graph.scope, "", new Map());
  }

  /** float32 graph inputs named like the weights: for training them, and for learning which weights a network has. */
  static asInputs(graph: GraphBuilder): Weights {
    const origin: Origin = { label: "inputs", keys: [], value: input };
    return new Weights(graph, origin, graph.scope, "", new Map());
  }

  /** The tensors below `name`; `scope("attn").tensor("to_q.weight", ...)` reads `attn.to_q.weight`. */
  scope(name: string | number): Weights {
    return new Weights(this.graph, this.origin, this.root, joinNames(this.path, `${name}`), this.values);
  }

  /** Runs `body`; the nodes that it makes bear the name of this scope. See `module`. */
  within<T>(body: () => T): T {
    return this.graph.within(joinNames(this.root, this.path), body);
  }

  /** A weight as float32, whatever it is stored as. */
  tensor(key: string, shape: Shape): Value {
    return cast(this.stored(key, shape), "float32");
  }

  /** A weight in its stored type, for tables of which only a few rows are read. */
  stored(key: string, shape: Shape): Value {
    const name = joinNames(this.path, key);
    const known = this.values.get(name);
    if (known !== undefined && sameShape(known.shape, shape)) return known;
    const value = this.origin.value(this.graph, name, shape);
    this.values.set(name, value);
    return value;
  }

  /** Everything handed out so far, by full key. */
  get used(): ReadonlyMap<string, Value> {
    return this.values;
  }

  /** Throws when the checkpoint holds tensors that nothing has read, except those that match a pattern. */
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
 * A module of a network: a function of its weights. The nodes that it makes bear the name of their scope, which is that of the
 * module in the checkpoint, so that printed graphs, profiles, errors and taps speak of modules.
 */
export function module<Rest extends readonly unknown[], Result>(body: (w: Weights, ...rest: Rest) => Result) {
  return (w: Weights, ...rest: Rest): Result => w.within(() => body(w, ...rest));
}

/** The tensor `name` in `graph`, which must be there and have `shape`. */
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
      `${source.origin}: ${name} has shape ${formatShape(given)}, the configuration asks for ${formatShape(shape)}`,
    );
  }
  const arranged = source.arranged?.get(name);
  return arranged === undefined
    ? parameter(graph, source.tensors.get(name) as StoredTensor)
    : arrangedValue(graph, arranged);
}

/** As float32, since each part is cast where it is read, like every weight. */
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
