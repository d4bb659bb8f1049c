/** @file A custom objective, as a user of the library would write it: the matched error must be below those of two sampled captions by a margin. */

import { at } from "../../core/lists.js";
import { inBatch } from "../../objectives/candidates.js";
import type { Objective } from "../../objectives/objective.js";

/** Mean over the other candidates of max(0, margin + matched error - mismatched error). */
export function hinge(margin: number): Objective {
  return {
    name: "hinge",
    candidates: inBatch(2),
    row: (errors, matched) => {
      const others = errors.length - 1;
      const slack = errors.map((error, column) => (column === matched ? 0 : margin + at(errors, matched) - error));
      const active = slack.filter((value) => value > 0);
      const cotangents = slack.map((value) => (value > 0 ? -1 / others : 0));
      cotangents[matched] = active.length / others;
      return { loss: active.reduce((sum, value) => sum + value, 0) / others, cotangents };
    },
  };
}
