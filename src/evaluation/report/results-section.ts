/** @file The tables of a comparison: a row a category and a mean, further variants as references below, and what did not run. */

import { type ComparisonRow, overallRow, type PairedComparison, smallSet } from "../paired-comparison.js";
import type { Estimate } from "../statistics.js";
import { type Domain, domainOf, exactDomainOf } from "./axis.js";
import { intervalBar } from "./interval-bar.js";
import { html, type Markup } from "./markup.js";
import { measurementTable } from "./measurement-table.js";
import type { Report } from "./schema.js";
import { capitalized, comparisonFormat, counted, formatP, type ScoreFormat, typeset } from "./score-format.js";

const columns = 8;
const winHeader = "Better\u202f/\u202fsame\u202f/\u202fworse";

export function resultsSection({ comparisons = [], measurements = [], notRun = [] }: Report): Markup | null {
  if (comparisons.length === 0 && measurements.length === 0 && notRun.length === 0) return null;
  const missing =
    notRun.length > 0 &&
    html`<h3>Not run</h3><ul class="not-run">${notRun.map(({ name, reason }) => html`<li><b>${name}</b>: ${reason}</li>`)}</ul>`;
  return html`${comparisons.map(comparisonTables)}${measurements.map(measurementTable)}${missing}`;
}

function comparisonTables(comparison: PairedComparison): Markup {
  const { metric, variants, rows } = comparison;
  const view = viewOf(comparison);
  const [baseline, main, ...references] = variants;
  const summaries = rows.filter(isWhole);
  const order: readonly ComparisonRow["scope"][] = ["category", "apart", "all", "without apart"];
  const sorted = order.flatMap((scope) => rows.filter((row) => row.scope === scope));
  const further =
    references.length > 0 &&
    html`<tbody><tr class="group"><th scope="rowgroup">Also measured, against <bdi>${baseline}</bdi></th><td></td><th scope="col" class="n"><bdi>${baseline}</bdi></th><th scope="col" class="n">that variant</th><td colspan="${columns - 4}"></td></tr>${references.map(
      (name, index) =>
        summaries.map((row) => {
          const label = html`<bdi>${name}</bdi> <small>${row.label}</small>`;
          return tableRow(row, index + 1, label, view, "reference");
        }),
    )}</tbody>`;
  const byCategory = references.map(
    (name, index) =>
      html`<details><summary><bdi>${name}</bdi> by category</summary>${table(
        [baseline, name],
        html`<tbody>${sorted.map((row) => tableRow(row, index + 1, labelOf(row), view))}</tbody>`,
        view,
      )}</details>`,
  );
  const direction = metric.better === "lower" ? html` <small>(lower is better)</small>` : null;
  return html`<h3>${capitalized(metric.name)}${direction}</h3>${table(
    [baseline, main],
    html`<tbody>${sorted.map((row) => tableRow(row, 0, labelOf(row), view))}</tbody>${further}`,
    view,
  )}${byCategory}${howToRead(comparison)}`;
}

interface View {
  readonly format: ScoreFormat;
  readonly variants: readonly string[];
  /** Of the bars under means, and of those of differences. */
  readonly values: Domain;
  readonly differences: Domain;
}

function viewOf(comparison: PairedComparison): View {
  const { metric, variants, rows } = comparison;
  const ends = (estimates: readonly Estimate[]) =>
    estimates.flatMap(({ value, interval }) => (interval === null ? [value] : [value, interval.low, interval.high]));
  const means = ends(rows.flatMap((row) => row.means));
  const differences = ends(rows.flatMap((row) => row.contrasts.map(({ difference }) => difference)));
  const most = Math.max(...differences.map(Math.abs));
  return {
    format: comparisonFormat(comparison),
    variants,
    values: metric.kind === "verdict" ? { low: 0, high: 1 } : domainOf(means),
    differences: exactDomainOf([-most, most]),
  };
}

function table([baseline, variant]: readonly string[], bodies: Markup, { format }: View): Markup {
  const unit = format.unit && html` <small>(${format.unit})</small>`;
  return html`<div class="scroll"><table class="results"><thead><tr><th scope="col">Category</th><th scope="col" class="n">Pairs</th><th scope="col" class="n"><bdi>${baseline}</bdi></th><th scope="col" class="n"><bdi>${variant}</bdi></th><th scope="col" class="n">Difference${unit}</th><th scope="col" class="n">${winHeader}</th><th scope="col" class="n">Win rate</th><th scope="col">Finding</th></tr></thead>${bodies}</table></div>`;
}

function tableRow(
  row: ComparisonRow,
  index: number,
  label: Markup,
  view: View,
  style: "whole" | "reference" | "category" = isWhole(row) ? "whole" : "category",
): Markup {
  const { format, values, differences } = view;
  const contrast = row.contrasts[index];
  const { difference, wins, ties, losses, finding, remark } = contrast;
  const tone = finding.replace(" ", "-");
  const names = [view.variants[0], view.variants[index + 1]];
  const meanCell = (place: 0 | 1) => {
    const variant = place === 0 ? 0 : index + 1;
    const estimate = row.means[variant];
    const bar = intervalBar(estimate, values, `tone-${variant % 6}`);
    return html`<td class="n" data-label="${names[place]}">${format.value(estimate.value)}${rangeLine(estimate, format.range)}${bar}</td>`;
  };
  const signedRange = rangeLine(difference, (interval) => typeset(format.signedRange(interval)));
  const rate = contrast.winRate;
  const rateText =
    rate === null
      ? "\u2013"
      : html`${percent(rate.value)}%${rangeLine(rate, ({ low, high }) => `${percent(low)} to ${percent(high)}`)}`;
  const cells = [
    html`<th scope="row">${label}</th>`,
    html`<td class="n" data-label="Pairs">${row.pairs}${row.prompts !== row.pairs && html`<small>${counted(row.prompts, "prompt")}</small>`}</td>`,
    meanCell(0),
    meanCell(1),
    html`<td class="n" data-label="Difference"><span class="${tone}">${typeset(format.signed(difference.value))}</span>${signedRange}${intervalBar(difference, differences, tone, 0)}</td>`,
    html`<td class="n" data-label="Better/same/worse">${wins}\u202f/\u202f${ties}\u202f/\u202f${losses}<small>${formatP(contrast.signTest)}</small></td>`,
    html`<td class="n" data-label="Win rate">${rateText}</td>`,
    html`<td class="finding"><span class="${tone}">${finding}</span>${remark !== "" && html`<small>${remark}</small>`}</td>`,
  ];
  return html`<tr class="${style}">${cells}</tr>`;
}

function isWhole({ scope }: ComparisonRow): boolean {
  return scope === "all" || scope === "without apart";
}

function rangeLine({ interval }: Estimate, write: (interval: NonNullable<Estimate["interval"]>) => string): Markup {
  return html`<small>${interval === null ? "no interval" : write(interval)}</small>`;
}

function labelOf({ label, scope }: ComparisonRow): Markup {
  return html`<bdi>${capitalized(label)}</bdi>${scope === "apart" && html` <small>shown apart</small>`}`;
}

function howToRead(comparison: PairedComparison): Markup {
  const { metric, variants, rows, bootstrap } = comparison;
  const all = overallRow(comparison);
  const several = all.prompts < all.pairs;
  const means =
    metric.kind === "verdict"
      ? `Intervals of each ${metric.name} are Wilson's${several ? ", with fewer trials where images of one prompt agree with each other" : ""}.`
      : `Intervals of each mean ${metric.name} are bootstrap percentiles.`;
  const agrees =
    metric.kind === "verdict"
      ? " and, since that is too bold where few pairs differ, the exact sign test agrees at 5%"
      : ` and, in sets of fewer than ${smallSet} prompts, the exact sign test agrees at 5%`;
  return html`<details class="method"><summary>How to read this table</summary><p>A pair is one prompt and one seed, drawn by <bdi>${variants[0]}</bdi> and by the other variant. Intervals are of 95%. ${means} Those of differences are bootstrap percentiles of the paired differences (${bootstrap.resamples} resamples of prompts, seed ${bootstrap.seed}, widened for few prompts). Better, same, worse count pairs, and p is the exact sign test on them; the win rate is the share of better ones among the pairs that differ. A difference is called better or worse only where its interval leaves out 0${agrees}. Of ${counted(rows.length, "row")} at 95%, about ${(rows.length / 20).toFixed(1)} would be called different by chance alone: the mean over all is what counts.</p></details>`;
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}
