/** @file Injection: rows of a batch take values from other rows inside the denoiser. */

import { floatTensor } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Tap, Value } from "../graph/ir.js";
import { add, concat, input, mul, slice, sub } from "../graph/ops.js";
import type { NamedTensors } from "../runtime/engine.js";

export interface Injection {
  /** Cache key of compiled denoisers; must determine the switches and taps. */
  readonly name: string;
  /** Inputs that turn parts of the injection on and off between runs of one compiled graph. */
  readonly switches: readonly string[];
  /** The taps of the denoiser; `on` returns the value [1] of a switch, 1 or 0. */
  taps(on: (name: string) => Value): readonly Tap[];
}

/** The state of each switch; a missing one is off. */
export type Switches = Readonly<Record<string, boolean>>;

/** Builds `body` with an injection; its switches become inputs of the graph. */
export function withInjection(graph: Graph, injection: Injection | undefined, body: () => Value): Value {
  if (injection === undefined) return body();
  const inputs = new Map(injection.switches.map((name) => [name, input(graph, inputName(name), [1])]));
  const on = (name: string): Value => {
    const value = inputs.get(name);
    if (value === undefined) throw new RangeError(`the injection ${injection.name} has no switch ${name}`);
    return value;
  };
  return graph.withTaps(injection.taps(on), body);
}

/** Feeds for the inputs that `withInjection` adds. */
export function switchFeeds(injection: Injection | undefined, switches: Switches): NamedTensors {
  const names = injection?.switches ?? [];
  return Object.fromEntries(
    names.map((name) => [inputName(name), floatTensor([1], Float32Array.of(switches[name] ? 1 : 0))]),
  );
}

/** Replaces each row of `value` by row `donors[row]` if `on` is 1; returns `value` if `on` is 0. */
export function takeRows(value: Value, donors: readonly number[], on: Value): Value {
  const taken = concat(
    donors.map((row) => slice(value, 0, row, row + 1)),
    0,
  );
  return add(mul(value, sub(1, on)), mul(taken, on));
}

function inputName(name: string): string {
  return `inject_${name}`;
}
