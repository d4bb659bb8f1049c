/** @file Formats rows of cells as aligned columns. */

import { padLeft, padRight, printable, widest } from "../../core/text.js";
import { formatNumber } from "./number.js";

/** Numbers are formatted and right-aligned. */
export type Cell = string | number;

/** Lines of a table whose first row is its header; columns of numbers are right-aligned, header included. */
export function formatTable(rows: readonly (readonly Cell[])[]): string[] {
  const count = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const columns = Array.from({ length: count }, (_, column) => {
    const cells = rows.map((row) => row[column] ?? "");
    const numeric = cells.slice(1).some((cell) => typeof cell === "number");
    const texts = cells.map((cell) => (typeof cell === "number" ? formatNumber(cell) : printable(cell)));
    const width = widest(texts);
    return texts.map((text) => (numeric ? padLeft(text, width) : padRight(text, width)));
  });
  return rows.map((_, row) =>
    columns
      .map((column) => column[row] ?? "")
      .join("  ")
      .trimEnd(),
  );
}
