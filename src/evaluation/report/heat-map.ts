/** @file A matrix as coloured cells with its labels. */

import { type Domain, formatTick, place, within } from "./axis.js";
import { coordinate, html, type Markup } from "./markup.js";

export interface HeatMap {
  readonly description: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** values[row][column]. */
  readonly values: readonly (readonly number[])[];
  readonly scale: Domain;
  /** Cells to outline. */
  readonly outlined: (row: number, column: number) => boolean;
  /** Cells to put a dot on. */
  readonly dotted: (row: number, column: number) => boolean;
}

/** Cividis (Nunez, Anderton and Renslow, 2018): even in lightness and the same to colour-blind eyes. */
const cividis = [
  [0, 34, 78],
  [18, 53, 112],
  [59, 73, 108],
  [87, 93, 109],
  [112, 113, 115],
  [138, 134, 120],
  [165, 156, 116],
  [195, 179, 105],
  [254, 232, 56],
] as const;

/** Widest labels, in characters and in what one takes of the image's width. */
const rowCharacters = 24;
const columnCharacters = 21;
const characterWidth = 6;
/** Column labels lean by 60 degrees. */
const [leanX, leanY] = [0.5, 0.87];
/** Above this many cells a side, names would overlap, and numbers every so often take their place. */
export const mostNames = 40;
/** Above this many cells, a tooltip on each would make the page several times as large. */
const mostTooltips = 1600;

export function heatMap({ description, rows, columns, values, scale, outlined, dotted }: HeatMap): Markup {
  const cell = Math.min(28, Math.max(4, 320 / Math.max(rows.length, columns.length)));
  const named = Math.max(rows.length, columns.length) <= mostNames;
  const rowLength = characterWidth * longest(rows, rowCharacters);
  const columnLength = characterWidth * longest(columns, columnCharacters);
  const [left, top] = named ? [rowLength + 12, leanY * columnLength + 14] : [34, 24];
  const width = left + columns.length * cell + (named ? leanX * columnLength : 8);
  const height = top + rows.length * cell + 4;
  const middle = (index: number, from: number) => coordinate(from + (index + 0.5) * cell);
  const shown = (index: number) => named || (index + 1) % 10 === 0;
  const rowLabels = rows.map(
    (label, row) =>
      shown(row) &&
      html`<text x="${left - 6}" y="${middle(row, top)}" dy="0.32em" text-anchor="end">${named ? shorten(label, rowCharacters) : row + 1}<title>${label}</title></text>`,
  );
  const columnLabels = columns.map((label, column) => {
    if (!shown(column)) return null;
    const [x, y] = [middle(column, left), top - 6];
    return named
      ? html`<text x="${x}" y="${y}" dy="0.32em" transform="rotate(-60 ${x} ${y})">${shorten(label, columnCharacters)}<title>${label}</title></text>`
      : html`<text x="${x}" y="${y}" text-anchor="middle">${column + 1}</text>`;
  });
  const tooltips = rows.length * columns.length <= mostTooltips;
  const cells = values.map((line, row) =>
    line.map((value, column) => {
      const [x, y] = [coordinate(left + column * cell), coordinate(top + row * cell)];
      const colour = colourAt(value, scale);
      const tooltip = tooltips && html`<title>${`${rows[row]} / ${columns[column]}: ${value.toPrecision(4)}`}</title>`;
      return html`<rect x="${x}" y="${y}" width="${coordinate(cell)}" height="${coordinate(cell)}" fill="${colour}">${tooltip}</rect>`;
    }),
  );
  const marks = values.map((line, row) =>
    line.map((value, column) => {
      const ink = place(value, scale, 0, 1) > 0.6 ? "#000" : "#fff";
      const [x, y] = [left + column * cell, top + row * cell];
      const side = coordinate(cell - 3);
      return [
        outlined(row, column) &&
          html`<rect x="${coordinate(x + 1.5)}" y="${coordinate(y + 1.5)}" width="${side}" height="${side}" fill="none" stroke="${ink}" stroke-width="${cell > 12 ? 1.5 : 1}"/>`,
        dotted(row, column) &&
          html`<circle cx="${coordinate(x + cell / 2)}" cy="${coordinate(y + cell / 2)}" r="${coordinate(Math.min(3.5, cell / 4))}" fill="${ink}"/>`,
      ];
    }),
  );
  return html`<svg class="heat" width="${coordinate(width)}" viewBox="0 0 ${coordinate(width)} ${coordinate(height)}" role="img" aria-label="${description}">${rowLabels}${columnLabels}${cells}${marks}</svg>`;
}

/** The colours of a scale from its lowest to its highest value. */
export function colourBar(scale: Domain, label: string): Markup {
  const steps = 64;
  const bands = Array.from({ length: steps }, (_, i) => {
    const colour = colourAt(i / (steps - 1), { low: 0, high: 1 });
    return html`<rect x="${i * 4}" width="4.5" height="12" fill="${colour}"/>`;
  });
  const [low, high] = [scale.low, scale.high].map((value) => formatTick(Number(value.toPrecision(3))));
  return html`<p class="scale"><span>${label}</span> <span>${low}</span> <svg viewBox="0 0 ${steps * 4} 12" aria-hidden="true">${bands}</svg> <span>${high}</span></p>`;
}

function colourAt(value: number, scale: Domain): string {
  const at = place(within(value, scale), scale, 0, cividis.length - 1);
  const below = Math.min(cividis.length - 2, Math.floor(at));
  const mixed = cividis[below].map((channel, i) =>
    Math.round(channel + (at - below) * (cividis[below + 1][i] - channel)),
  );
  return `#${mixed.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
}

function longest(labels: readonly string[], most: number): number {
  return labels.reduce((length, label) => Math.max(length, Math.min(most, [...label].length)), 4);
}

function shorten(label: string, most: number): string {
  const characters = [...label];
  return characters.length <= most
    ? label
    : `${characters
        .slice(0, most - 1)
        .join("")
        .trimEnd()}\u2026`;
}
