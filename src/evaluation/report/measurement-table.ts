/** @file Means of variants that nothing is compared with pair by pair, and numbers of whole sets, as a table. */

import { html, type Markup } from "./markup.js";
import type { ReportedMeans } from "./schema.js";
import { capitalized, scoreFormat } from "./score-format.js";

export function measurementTable({ metric, rows, remark }: ReportedMeans): Markup {
  const format = scoreFormat(metric.kind, Math.max(...rows.map(({ estimate }) => Math.abs(estimate.value))));
  const labelled = rows.some(({ label }) => label !== "all");
  const lines = rows.map(({ variant, label, images, estimate: { value, interval } }) => {
    const range = interval === null ? "\u2013" : format.range(interval);
    return html`<tr><th scope="row"><bdi>${variant}</bdi></th>${labelled && html`<td><bdi>${label}</bdi></td>`}<td class="n">${format.value(value)}</td><td class="n">${range}</td><td class="n">${images}</td></tr>`;
  });
  const direction = metric.better === "lower" ? html` <small>(lower is better)</small>` : null;
  const head = html`<thead><tr><th scope="col">Variant</th>${labelled && html`<th scope="col">Category</th>`}<th scope="col" class="n">${capitalized(metric.name)}</th><th scope="col" class="n">95% interval</th><th scope="col" class="n">Images</th></tr></thead>`;
  return html`<h3>${capitalized(metric.name)}${direction}</h3>${remark !== "" && html`<p class="aside">${remark}</p>`}<div class="scroll"><table class="plain">${head}<tbody>${lines}</tbody></table></div>`;
}
