/** @file Mutual information of images and captions, before and after, with its integrand over log-SNR. */

import { domainOf, exactDomainOf, formatTick } from "./axis.js";
import { legend, lineChart, type Point } from "./line-chart.js";
import { html, type Markup } from "./markup.js";
import type { ReportedInformation } from "./schema.js";
import { numberWriter, typeset } from "./score-format.js";

export function informationSection({ unit, estimates, integrands = [], remark }: ReportedInformation): Markup {
  const write = numberWriter(Math.max(...estimates.map(({ value }) => Math.abs(value))));
  const fixed = (value: number) => typeset(write(value));
  const rows = estimates.map(({ name, value, standardError }) => {
    const margin = standardError === null ? null : 1.96 * standardError;
    const range = margin === null ? "\u2013" : `${fixed(value - margin)} to ${fixed(value + margin)}`;
    return html`<tr><th scope="row"><bdi>${name}</bdi></th><td class="n">${fixed(value)}</td><td class="n">${standardError === null ? "\u2013" : fixed(standardError)}</td><td class="n">${range}</td></tr>`;
  });
  const table = html`<div class="scroll"><table class="plain"><thead><tr><th scope="col">Variant</th><th scope="col" class="n">Mutual information <small>(${unit})</small></th><th scope="col" class="n">Standard error</th><th scope="col" class="n">95% interval</th></tr></thead><tbody>${rows}</tbody></table></div>`;
  const chart = integrands.length > 0 && integrandFigure(unit, estimates, integrands);
  return html`${remark !== undefined && html`<p class="aside">${remark}</p>`}${table}${chart}`;
}

function integrandFigure(
  unit: string,
  estimates: ReportedInformation["estimates"],
  integrands: NonNullable<ReportedInformation["integrands"]>,
): Markup {
  // A curve has the colour of the variant of its name.
  const tones = integrands.map(({ name }, index) => {
    const variant = estimates.findIndex((estimate) => estimate.name === name);
    return variant < 0 ? estimates.length + index : variant;
  });
  const bands = integrands.map(({ values, standardErrors }) =>
    standardErrors?.map((error, i) => ({ low: values[i] - error, high: values[i] + error })),
  );
  const lines = integrands.map(({ logSnr, values }, index) => {
    const band = bands[index];
    const points = logSnr.map((at, i): Point => [at, values[i]]);
    return { tone: tones[index] % 6, points, ...(band === undefined ? {} : { band }) };
  });
  const heights = bands.flatMap((band) => band?.flatMap(({ low, high }) => [low, high]) ?? []);
  const chart = lineChart({
    description: `Integrand of the mutual information over log-SNR: ${integrands.map(({ name }) => name).join(", ")}`,
    lines,
    xLabel: "log-SNR",
    x: exactDomainOf(integrands.flatMap(({ logSnr }) => logSnr)),
    y: domainOf([0, ...integrands.flatMap(({ values }) => values), ...heights]),
    formatY: formatTick,
  });
  const banded = bands.some((band) => band !== undefined);
  const caption = `${unit} a unit of log-SNR${banded ? "; the band is one standard error" : ""}`;
  return html`<div class="charts"><figure><figcaption><b>Integrand</b> <small>${caption}</small></figcaption>${legend(
    integrands.map(({ name }, index) => ({ name, tone: tones[index] % 6 })),
  )}${chart}</figure></div>`;
}
