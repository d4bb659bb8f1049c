/** @file Rows of cells as aligned columns. */

import { padLeft, padRight, printable, widest } from "../../core/text.js";
import { formatNumber } from "./number.js";

/** A cell: numbers are formatted and set flush right. */
export type Cell = string | number;

/** Lines of a table whose first row is its header; a column of numbers is flush right, header included. */
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
