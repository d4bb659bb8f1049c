/** @file Injection: modules of the denoiser in which some rows of a batch go on with values of other rows. */

import { floatTensor } from "../core/tensor.js";
import type { Graph } from "../graph/graph.js";
import type { Tap, Value } from "../graph/ir.js";
import { add, concat, input, mul, slice, sub } from "../graph/ops.js";
import type { NamedTensors } from "../runtime/engine.js";

export interface Injection {
  /** Determines everything else: compiled denoisers are kept under it. */
  readonly name: string;
  /** What can be turned on and off between runs of one compiled graph. */
  readonly switches: readonly string[];
  /** The taps to lay over the denoiser; `on` has a value [1] for each switch, 1 or 0. */
  taps(on: (name: string) => Value): readonly Tap[];
}

/** Which switches are on. */
export type Switches = Readonly<Record<string, boolean>>;

/** Builds `body` with an injection, whose switches become inputs of the graph. */
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

/** What the inputs of `withInjection` are fed with; a switch that is not named is off. */
export function switchFeeds(injection: Injection | undefined, switches: Switches): NamedTensors {
  const names = injection?.switches ?? [];
  return Object.fromEntries(
    names.map((name) => [inputName(name), floatTensor([1], Float32Array.of(switches[name] ? 1 : 0))]),
  );
}

/** Each row of `value` as row `donors[row]` has it where `on` is 1, and as it is where `on` is 0. */
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
