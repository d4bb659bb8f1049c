/** @file Lines over an axis as SVG: raw points, a line, a band of uncertainty, a level to compare with. */

import { axisTicks, type Domain, formatTick, place, within } from "./axis.js";
import { coordinate, html, type Markup } from "./markup.js";

export type Point = readonly [x: number, y: number];

export interface Line {
  /** The variant's number, which gives the colour. */
  readonly tone: number;
  readonly points: readonly Point[];
  /** Drawn as dots behind the lines. */
  readonly raw?: readonly Point[];
  /** Drawn behind the line, one a point. */
  readonly band?: readonly { readonly low: number; readonly high: number }[];
  /** Whether the points themselves are marked. */
  readonly dots?: boolean;
}

export interface LineChart {
  /** Said to those who do not see it. */
  readonly description: string;
  readonly lines: readonly Line[];
  readonly xLabel: string;
  readonly x: Domain;
  readonly y: Domain;
  readonly formatY: (value: number) => string;
  /** A dashed horizontal line, as the baseline's value. */
  readonly level?: number | null;
}

const [width, height] = [360, 210];
const frame = { left: 46, right: 342, top: 10, bottom: 174 };

export function lineChart({ description, lines, xLabel, x, y, formatY, level }: LineChart): Markup {
  const toX = (value: number) => place(value, x, frame.left, frame.right);
  const toY = (value: number) => place(value, y, frame.bottom, frame.top);
  const at = ([px, py]: Point) => `${coordinate(toX(px))} ${coordinate(toY(py))}`;
  const path = (points: readonly Point[]) => points.map((point, i) => `${i === 0 ? "M" : "L"}${at(point)}`).join("");
  const horizontal = axisTicks(y, 4).map((value) => {
    const line = coordinate(toY(value));
    return html`<line class="grid" x1="${frame.left}" x2="${frame.right}" y1="${line}" y2="${line}"/><text x="${frame.left - 6}" y="${line}" dy="0.32em" text-anchor="end">${formatY(value)}</text>`;
  });
  const vertical = axisTicks(x, 5).map((value) => {
    const line = coordinate(toX(value));
    return html`<line class="tick" x1="${line}" x2="${line}" y1="${frame.bottom}" y2="${frame.bottom + 4}"/><text x="${line}" y="${frame.bottom + 16}" text-anchor="middle">${formatTick(value)}</text>`;
  });
  const levelLine =
    level !== undefined &&
    level !== null &&
    html`<line class="level" x1="${frame.left}" x2="${frame.right}" y1="${coordinate(toY(level))}" y2="${coordinate(toY(level))}"/>`;
  const drawn = lines.map(({ tone, points, raw, band, dots }) => {
    const upper = band?.map(({ high }, i): Point => [points[i][0], within(high, y)]) ?? [];
    const lower = band?.map(({ low }, i): Point => [points[i][0], within(low, y)]) ?? [];
    return [
      upper.length > 1 && html`<path class="band tone-${tone}" d="${path([...upper, ...lower.reverse()])}Z"/>`,
      raw !== undefined && html`<path class="raw tone-${tone}" d="${raw.map((point) => `M${at(point)}h0`).join("")}"/>`,
      html`<path class="line tone-${tone}" d="${path(points)}"/>`,
      dots === true && html`<path class="dots tone-${tone}" d="${points.map((point) => `M${at(point)}h0`).join("")}"/>`,
    ];
  });
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${description}">${horizontal}<line class="axis" x1="${frame.left}" x2="${frame.right}" y1="${frame.bottom}" y2="${frame.bottom}"/>${vertical}<text x="${(frame.left + frame.right) / 2}" y="${height - 4}" text-anchor="middle">${xLabel}</text>${levelLine}${drawn}</svg>`;
}

/** Which colour is which, above one chart or several. */
export function legend(entries: readonly { readonly name: string; readonly tone: number }[]): Markup {
  const items = entries.map(({ name, tone }) => html`<li><i class="key tone-${tone}"></i>${name}</li>`);
  return html`<ul class="legend">${items}</ul>`;
}
