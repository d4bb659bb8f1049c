/** @file What happened while training: curves by step, and the metric at each checkpoint by category. */

import { domainOf, exactDomainOf, formatTick } from "./axis.js";
import { lineChart, type Point } from "./line-chart.js";
import { html, type Markup } from "./markup.js";
import type { Checkpoints, Curve } from "./schema.js";
import { capitalized } from "./score-format.js";
import { smooth, smoothingWindow } from "./smoothing.js";

/** Dots beyond this number would only make the page larger. */
const mostDots = 3000;
/** Below this many points a smoothed line says no more than they do. */
const fewestToSmooth = 20;

const formatShare = (value: number): string => `${Math.round(100 * value)}%`;

export function curvesSection(curves: readonly Curve[]): Markup {
  return html`<div class="charts">${curves.map(curveFigure)}</div>`;
}

function curveFigure({ name, kind, steps, values }: Curve): Markup {
  const raw = steps.map((step, i): Point => [step, values[i]]);
  const every = Math.ceil(raw.length / mostDots);
  const window = smoothingWindow(values.length);
  const smoothed = values.length >= fewestToSmooth;
  const reach = (window - 1) / 2;
  const points = smoothed ? smooth(values, window).map((value, i): Point => [steps[i + reach], value]) : raw;
  const caption = smoothed
    ? `dots: ${every === 1 ? "each step" : `every ${every}th value`}; line: moving mean of ${window}`
    : "each value";
  const chart = lineChart({
    description: `${name} by training step, from ${values[0].toPrecision(3)} to ${values[values.length - 1].toPrecision(3)}`,
    lines: [{ tone: 1, points: thinned(points, every), raw: thinned(raw, every), dots: !smoothed }],
    xLabel: "training step",
    x: exactDomainOf(steps),
    y: kind === "share" ? { low: 0, high: 1 } : domainOf(values),
    formatY: kind === "share" ? formatShare : formatTick,
  });
  return html`<figure><figcaption><b>${name}</b> <small>${caption}</small></figcaption>${chart}</figure>`;
}

export function checkpointsSection({ metric: { name, kind }, panels }: Checkpoints): Markup {
  const steps = panels.flatMap(({ points }) => points.map(({ step }) => step));
  const ends = panels.flatMap(({ baseline, points }) => [
    ...(baseline === null ? [] : [baseline]),
    ...points.flatMap(({ estimate: { value, interval } }) =>
      interval === null ? [value] : [value, interval.low, interval.high],
    ),
  ]);
  // One scale for all panels, so that they can be compared.
  const y = kind === "verdict" ? { low: 0, high: 1 } : domainOf(ends);
  const figures = panels.map(({ category, baseline, points }) => {
    const last = points[points.length - 1];
    const chart = lineChart({
      description: `${name} by training step, ${category}: ${last.estimate.value.toPrecision(3)} at step ${last.step}`,
      lines: [
        {
          tone: 1,
          points: points.map(({ step, estimate }): Point => [step, estimate.value]),
          band: points.map(({ estimate }) => estimate.interval ?? { low: estimate.value, high: estimate.value }),
          dots: true,
        },
      ],
      xLabel: "training step",
      x: exactDomainOf(steps),
      y,
      formatY: kind === "verdict" ? formatShare : formatTick,
      level: baseline,
    });
    return html`<figure><figcaption><b>${category}</b></figcaption>${chart}</figure>`;
  });
  const levels = panels.some(({ baseline }) => baseline !== null);
  return html`<p class="aside">${capitalized(name)} at each checkpoint; the band is its 95% interval${levels && ", the dashed line the untrained value"}.</p><div class="charts">${figures}</div>`;
}

function thinned(points: readonly Point[], every: number): readonly Point[] {
  return every === 1 ? points : points.filter((_, i) => i % every === 0 || i === points.length - 1);
}
