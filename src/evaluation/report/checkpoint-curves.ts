/** @file From scores of several checkpoints to curves by category. */

import { InputError } from "../../core/errors.js";
import { Generator } from "../../core/random.js";
import type { ItemScore, Metric } from "../paired-comparison.js";
import { bootstrapMean, byPrompt, type Estimate, type Groups, mean, proportion } from "../statistics.js";
import type { Checkpoints } from "./schema.js";

export interface CheckpointScores {
  readonly step: number;
  readonly items: readonly ItemScore[];
}

/**
 * A panel for all and one for each category, in the first checkpoint's order. A category that a checkpoint did not score has no point there.
 * `baseline` are the untrained variant's scores, null where it was not measured.
 */
export function checkpointCurves(
  checkpoints: readonly CheckpointScores[],
  baseline: readonly ItemScore[] | null,
  metric: Metric,
): Checkpoints {
  const sorted = checkpoints.toSorted((a, b) => a.step - b.step);
  const categories = [...new Set(checkpoints.flatMap(({ items }) => items.map(({ category }) => category)))];
  if (categories.length === 0) throw new InputError(`no checkpoint has a score of ${metric.name} to draw`);
  const estimate = (groups: Groups): Estimate =>
    metric.kind === "verdict" ? proportion(groups) : bootstrapMean(groups, new Generator(0));
  const panel = (label: string, belongs: (item: ItemScore) => boolean): Checkpoints["panels"][number] => {
    const before = groupsOf(baseline?.filter(belongs) ?? []);
    const points = sorted.flatMap(({ step, items }) => {
      const groups = groupsOf(items.filter(belongs));
      return groups.length === 0 ? [] : [{ step, estimate: estimate(groups) }];
    });
    return { category: label, baseline: before.length === 0 ? null : mean(before), points };
  };
  const each = categories.map((category) => panel(category, (item) => item.category === category));
  const panels = categories.length > 1 ? [panel("all", () => true), ...each] : each;
  return { metric, panels };
}

function groupsOf(items: readonly ItemScore[]): Groups {
  return byPrompt(items).map((group) => group.map(({ score }) => score));
}
