/** @file The whole result in one sentence, whatever its sign. */

import { overallRow, type PairedComparison } from "../paired-comparison.js";
import { comparisonFormat, counted } from "./score-format.js";

/** What the mean over all says of the variant (by its number among those compared with the baseline; the first unless said). */
export function headlineOf(comparison: PairedComparison, variant = 0): string {
  const { metric, variants } = comparison;
  const row = overallRow(comparison);
  const { difference, finding, remark } = row.contrasts[variant];
  const [baseline, name] = [variants[0], variants[variant + 1]];
  const format = comparisonFormat(comparison);
  const amount = [format.signed(difference.value), ...(format.unit ? [format.unit] : [])].join(" ");
  const interval = difference.interval ? `95% interval ${format.signedRange(difference.interval)}` : "no interval";
  const basis = `${counted(row.pairs, "pair")} of the same prompt and seed`;
  const figures = `${format.value(row.means[variant + 1].value)} against ${format.value(row.means[0].value)}, ${amount} (${interval}; ${basis})`;
  const limits = remark === "" ? "" : `; ${remark}`;
  switch (finding) {
    case "better":
    case "worse":
      return `With ${name}, ${metric.name} is ${finding} than with ${baseline}: ${figures}${limits}.`;
    case "within noise":
      return `With ${name}, ${metric.name} does not differ from ${baseline} beyond noise: ${figures}${limits}.`;
  }
}
