/**
 * @file Taps: reading or replacing values inside a network from outside, by name and without a copy of the model.
 *
 * Networks call `graph.tap(name, value)` where others may want to look; the full name is the module's scope and that name. Those of
 * attentions are `q`, `k` and `v` (as the attention reads them, [N, L, heads * d]); what a module adds to the residual stream is `out`:
 * `up_blocks.1.attentions.0.transformer_blocks.0.attn1.q`, `...attn1.out`, `...ff.out`, `up_blocks.1.resnets.1.out` (before the
 * shortcut is added), `transformer_blocks.3.attn.k`. Text streams of the MM-DiT have `added_q`, `added_k`, `added_v`, `added_out`, and
 * each of its blocks reads `image` and `context`. Without taps a graph is the same as if networks called nothing.
 *
 * ```ts
 * // The second row's image takes the self-attention pattern of the first one's (Plug-and-Play, arXiv 2211.12572).
 * const fromFirst = (value: Value) => ops.expand(ops.slice(value, 0, 0, 1), value.shape);
 * const prediction = graph.withTaps([{ at: /^up_blocks\..*\.attn1\.[qk]$/, replace: fromFirst }], () =>
 *   pipeline.denoise(graph, inputs),
 * );
 * ```
 *
 * What `replace` builds belongs to the network: it is differentiated through, and computed again inside checkpoints.
 */

import { GraphError } from "./error.js";
import type { Tap, Value } from "./ir.js";

/** The taps that one call of `withTaps` lays. */
export class LaidTaps {
  private readonly offered = new Set<string>();
  private readonly matched = new Set<Tap>();

  constructor(private readonly taps: readonly Tap[]) {}

  /** `value` as the taps at `name` leave it, one after the other. */
  apply(name: string, value: Value): Value {
    this.offered.add(name);
    return this.taps.reduce((current, tap) => {
      if (!matches(tap, name)) return current;
      this.matched.add(tap);
      return tap.replace(current, name);
    }, value);
  }

  /** A tap that is nowhere applied is a misspelt one. */
  requireAllMatched(): void {
    const unmatched = this.taps.find((tap) => !this.matched.has(tap));
    if (unmatched === undefined) return;
    const what = `no value is named ${unmatched.at}`;
    if (this.offered.size === 0) throw new GraphError(`tap: ${what}: the network has none that can be tapped`);
    const similar = mostSimilar(String(unmatched.at), [...this.offered]);
    throw new GraphError(`tap: ${what} (of ${this.offered.size}, the most similar: ${similar.join(", ")})`);
  }
}

/** Reads the value of one name. */
export class ReadTap implements Tap {
  private found: Value | null = null;

  constructor(readonly at: string) {}

  replace(value: Value): Value {
    this.found = value;
    return value;
  }

  /** The value; there is one once a network has been built under the tap. */
  get value(): Value {
    if (this.found === null) throw new GraphError(`tap: ${this.at} was not read yet`);
    return this.found;
  }
}

function matches({ at }: Tap, name: string): boolean {
  return typeof at === "string" ? at === name : name.search(at) !== -1;
}

/** The three names that share the most parts with what was asked for. */
function mostSimilar(wanted: string, names: readonly string[]): string[] {
  const parts = new Set(wanted.split(/\W+/));
  const shared = (name: string) => name.split(".").filter((part) => parts.has(part)).length;
  return names.toSorted((a, b) => shared(b) - shared(a)).slice(0, 3);
}
