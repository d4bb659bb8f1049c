/** @file Notices for edits that change nothing or everything, with the option that changes this. */

import { at } from "../core/lists.js";
import type { FloatTensor } from "../core/tensor.js";
import type { PreparedEdit } from "./method.js";

/** Options that change more of the image when raised or lowered, the most effective first. */
const options = [
  ["nMax", "raise"],
  ["imageStrength", "raise"],
  ["sourceTerm", "lower"],
  ["features", "lower"],
  ["fromStep", "raise"],
] as const;

/** Root mean square of the change, relative to the standard deviation of the source latents, below which nothing is visible. */
const invisible = 0.01;

/** Correlation of source and edited latents below which nothing of the layout remains. */
const unrelated = 0.1;

/** One line if nothing changed within the mask, or, without a mask, if everything did. An empty mask is reported where it is read. */
export function changeNotice(
  source: FloatTensor,
  edited: FloatTensor,
  mask: FloatTensor | null,
  { settings }: Pick<PreparedEdit, "settings">,
): string | undefined {
  if (mask !== null && !mask.data.includes(1)) return undefined;
  const { change, correlation } = compare(source, edited, mask);
  const [option, more] = options.find(([name]) => settings[name] !== undefined) ?? [];
  const less = more === "raise" ? "lower" : "raise";
  const advice = (verb: string | undefined) => (option === undefined ? "" : `: ${verb} \`${option}\``);
  if (change < invisible) return `the edit changed nothing${advice(more)}`;
  if (mask === null && correlation < unrelated) return `the edit changed everything${advice(less)}`;
  return undefined;
}

/** Compares latents [1, channels, h, w] by their deviations from the mean of each channel, where the mask is 1. */
function compare(
  source: FloatTensor,
  edited: FloatTensor,
  mask: FloatTensor | null,
): { readonly change: number; readonly correlation: number } {
  const channels = at(source.shape, 1);
  const area = source.data.length / channels;
  const pixels = Array.from({ length: area }, (_, i) => i).filter((i) => mask === null || at(mask.data, i) === 1);
  const sums = { change: 0, source: 0, edited: 0, product: 0 };
  for (let channel = 0; channel < channels; channel++) {
    const values = ({ data }: FloatTensor) => pixels.map((i) => at(data, channel * area + i));
    const [a, b] = [values(source), values(edited)];
    const [meanA, meanB] = [mean(a), mean(b)];
    for (const [i, x] of a.entries()) {
      const y = at(b, i);
      sums.change += (y - x) ** 2;
      sums.source += (x - meanA) ** 2;
      sums.edited += (y - meanB) ** 2;
      sums.product += (x - meanA) * (y - meanB);
    }
  }
  const scale = Math.sqrt(sums.source * sums.edited);
  return {
    change: sums.change === 0 ? 0 : Math.sqrt(sums.change / sums.source),
    correlation: scale === 0 ? 1 : sums.product / scale,
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
