/**
 * @file Taps read or replace values inside a network by name, from outside and without a copy of the model.
 *
 * Networks call `graph.tap(name, value)` for values that other code may need; the full name is the module's scope plus that name.
 * Attention modules have `q`, `k` and `v` (the inputs of the attention operator, [N, L, heads * d]); `out` is what a module adds to
 * the residual stream:
 * `up_blocks.1.attentions.0.transformer_blocks.0.attn1.q`, `...attn1.out`, `...ff.out`, `up_blocks.1.resnets.1.out` (before the
 * shortcut is added), `transformer_blocks.3.attn.k`. Text streams of the MM-DiT have `added_q`, `added_k`, `added_v`, `added_out`;
 * `image` and `context` are the inputs of each of its blocks. Without taps, `graph.tap` leaves the graph unchanged.
 *
 * ```ts
 * // The second image of the batch uses the self-attention of the first (Plug-and-Play, arXiv 2211.12572).
 * const fromFirst = (value: Value) => ops.expand(ops.slice(value, 0, 0, 1), value.shape);
 * const prediction = graph.withTaps([{ at: /^up_blocks\..*\.attn1\.[qk]$/, replace: fromFirst }], () =>
 *   pipeline.denoise(graph, inputs),
 * );
 * ```
 *
 * Nodes that `replace` builds are part of the network: gradients pass through them, and checkpoints recompute them.
 */

import { GraphError } from "./error.js";
import type { Tap, Value } from "./ir.js";

/** The taps of one call of `withTaps`. */
export class TapLayer {
  private readonly names = new Set<string>();
  private readonly matched = new Set<Tap>();

  constructor(private readonly taps: readonly Tap[]) {}

  /** Passes `value` through all taps that match `name`, in order. */
  apply(name: string, value: Value): Value {
    this.names.add(name);
    return this.taps.reduce((current, tap) => {
      if (!matches(tap, name)) return current;
      this.matched.add(tap);
      return tap.replace(current, name);
    }, value);
  }

  /** @throws GraphError for a tap that matched nothing: its name is probably misspelt. */
  requireAllMatched(): void {
    const unmatched = this.taps.find((tap) => !this.matched.has(tap));
    if (unmatched === undefined) return;
    const problem = `no value is named ${unmatched.at}`;
    if (this.names.size === 0) throw new GraphError(`tap: ${problem}: the network has no values that can be tapped`);
    const similar = mostSimilarNames(String(unmatched.at), [...this.names]);
    throw new GraphError(`tap: ${problem} (most similar of ${this.names.size} names: ${similar.join(", ")})`);
  }
}

/** A tap that reads the value of one name. */
export class ReadTap implements Tap {
  private found: Value | null = null;

  constructor(readonly at: string) {}

  replace(value: Value): Value {
    this.found = value;
    return value;
  }

  /** The value that was read. Throws a GraphError before a network has been built with this tap. */
  get value(): Value {
    if (this.found === null) throw new GraphError(`tap: ${this.at} has not been read yet`);
    return this.found;
  }
}

function matches({ at }: Tap, name: string): boolean {
  return typeof at === "string" ? at === name : name.search(at) !== -1;
}

/** The three names that share the most parts with `wanted`. */
function mostSimilarNames(wanted: string, names: readonly string[]): string[] {
  const parts = new Set(wanted.split(/\W+/));
  const shared = (name: string) => name.split(".").filter((part) => parts.has(part)).length;
  return names.toSorted((a, b) => shared(b) - shared(a)).slice(0, 3);
}
