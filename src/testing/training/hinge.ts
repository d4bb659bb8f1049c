/** @file An objective in one file, as a user of the library would write it: the own error below those of two drawn captions, by a margin. */

import { at } from "../../core/lists.js";
import { inBatch } from "../../objectives/candidates.js";
import type { Objective } from "../../objectives/objective.js";

/** Mean over the other candidates of max(0, margin + own error - other error). */
export function hinge(margin: number): Objective {
  return {
    name: "hinge",
    candidates: inBatch(2),
    row: (errors, own) => {
      const others = errors.length - 1;
      const slack = errors.map((error, column) => (column === own ? 0 : margin + at(errors, own) - error));
      const active = slack.filter((value) => value > 0);
      const cotangents = slack.map((value) => (value > 0 ? -1 / others : 0));
      cotangents[own] = active.length / others;
      return { loss: active.reduce((sum, value) => sum + value, 0) / others, cotangents };
    },
  };
}
