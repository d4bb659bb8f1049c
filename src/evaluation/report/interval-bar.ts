/** @file An estimate as a dot on a small bar that is its 95% interval. */

import type { Estimate } from "../statistics.js";
import { type Domain, place, within } from "./axis.js";
import { coordinate, html, type Markup } from "./markup.js";

const [width, height] = [104, 10];
const margin = 4;

/** `mark` is a value shown as an upright line: 0 for differences. The numbers stand beside it, so that it needs no description. */
export function intervalBar({ value, interval }: Estimate, domain: Domain, tone: string, mark?: number): Markup {
  const at = (x: number) => coordinate(place(within(x, domain), domain, margin, width - margin));
  const middle = height / 2;
  return html`<svg class="bar" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" aria-hidden="true"><line class="track" x1="${margin}" x2="${width - margin}" y1="${middle}" y2="${middle}"/>${
    mark !== undefined && html`<line class="mark" x1="${at(mark)}" x2="${at(mark)}" y1="0" y2="${height}"/>`
  }${
    interval !== null &&
    html`<line class="interval ${tone}" x1="${at(interval.low)}" x2="${at(interval.high)}" y1="${middle}" y2="${middle}"/>`
  }<circle class="dot ${tone}" cx="${at(value)}" cy="${middle}" r="3.5"/></svg>`;
}
