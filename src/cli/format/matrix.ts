/** @file Formats a matrix of numbers with long row and column labels. */

import { displayWidth, padLeft, padRight, shorten, widest } from "../../core/text.js";

/** A mark after a number, such as `*`; "" for none. */
export type Marks = (row: number, column: number) => string;

/** Width beyond which labels are shortened. */
const maxRowLabel = 48;
const maxColumnLabel = 20;

/**
 * Lines of a labelled matrix. All numbers have the same number of decimals, so that the largest has five digits. Columns
 * that do not fit into `width` cells follow in further blocks, each with the row labels.
 */
export function formatMatrix(
  rows: readonly string[],
  columns: readonly string[],
  values: readonly ArrayLike<number>[],
  marks: Marks = () => "",
  width = 100,
): string[] {
  const decimals = commonDecimals(values);
  const labels = rows.map((label) => shorten(label, Math.min(maxRowLabel, Math.floor(width / 2))));
  const labelWidth = widest(labels);
  // Marks have columns of their own, so that decimal points stay aligned.
  const markWidth = widest(rows.flatMap((_, row) => columns.map((_, column) => marks(row, column))));

  const blocks = columns.map((label, column) => {
    const numbers = rows.map((_, row) => formatFixed(values[row]?.[column], decimals));
    const header = shorten(label, maxColumnLabel);
    const cellWidth = widest([header, ...numbers]);
    const cells = numbers.map((number, row) => padLeft(number, cellWidth) + padRight(marks(row, column), markWidth));
    return [padLeft(header, cellWidth) + " ".repeat(markWidth), ...cells];
  });

  const lines: string[] = [];
  for (const block of packed(blocks, width - labelWidth)) {
    if (lines.length > 0) lines.push("");
    for (const [line, label] of ["", ...labels].entries()) {
      const cells = block.map((column) => `  ${column[line] ?? ""}`);
      lines.push((padRight(label, labelWidth) + cells.join("")).trimEnd());
    }
  }
  return lines;
}

/** Groups columns so that each group fits into `width`; a single column may exceed it. */
function packed(columns: readonly (readonly string[])[], width: number): (readonly string[])[][] {
  const groups: (readonly string[])[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const column of columns) {
    const need = 2 + displayWidth(column[0] ?? "");
    if (used + need > width) {
      groups.push([]);
      used = 0;
    }
    groups.at(-1)?.push(column);
    used += need;
  }
  return groups;
}

function commonDecimals(values: readonly ArrayLike<number>[]): number {
  let largest = 0;
  for (const row of values) {
    for (const value of Array.from(row)) {
      if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
    }
  }
  if (largest === 0) return 1;
  return Math.min(10, Math.max(0, 4 - Math.floor(Math.log10(largest))));
}

function formatFixed(value: number | undefined, decimals: number): string {
  if (value === undefined) return "-";
  return Number.isFinite(value) ? value.toFixed(decimals) : String(value);
}
