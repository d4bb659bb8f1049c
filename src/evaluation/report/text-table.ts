/** @file A comparison as a table for the terminal, at most 100 columns wide. */

import { type ComparisonRow, type PairedComparison, smallSet } from "../paired-comparison.js";
import { comparisonFormat, formatP } from "./score-format.js";

const mostColumns = 100;

interface Column {
  readonly header: string;
  readonly cells: readonly string[];
  readonly align: "left" | "right";
}

/** Lines, a table for each variant against the baseline. Names that would make it too wide are cut. */
export function comparisonLines(comparison: PairedComparison): string[] {
  const { metric, variants } = comparison;
  const [baseline, ...others] = variants;
  return others.flatMap((name, index) => {
    const title =
      printable(`${metric.name}: ${name} against ${baseline}`) +
      `${metric.better === "lower" ? " (lower is better)" : ""}`;
    const lines = [title, ...tableLines(comparison, index), ...summaryLines(comparison, index)];
    return [...(index === 0 ? [] : [""]), ...lines.map((line) => clip(line, mostColumns))];
  });
}

function tableLines(comparison: PairedComparison, index: number): string[] {
  const { variants, rows } = comparison;
  const format = comparisonFormat(comparison);
  const contrasts = rows.map((row) => row.contrasts[index]);
  const right = (header: string, cells: readonly string[]): Column => ({ header, cells, align: "right" });
  const means = (variant: number) => rows.map((row) => format.value(row.means[variant].value));
  const rest = [
    right(
      `difference${format.unit && ` (${format.unit})`}`,
      contrasts.map(({ difference: { value, interval } }) => {
        const range = interval ? `[${format.signedRange(interval).replace(" to ", ", ")}]` : "[no interval]";
        return `${format.signed(value)} ${range}`;
      }),
    ),
    right(
      "+/=/-",
      contrasts.map(({ wins, ties, losses }) => `${wins}/${ties}/${losses}`),
    ),
    { header: "finding", cells: rows.map((row, i) => `${contrasts[i].finding}${row.small ? "*" : ""}`), align: "left" },
  ] as const;
  const pairs = right(
    "pairs",
    rows.map((row) => String(row.pairs)),
  );
  // What is left is divided between the names of categories and of the two variants.
  const left = mostColumns - widthOf([pairs, ...rest]) - 6;
  const nameWidth = Math.max(8, Math.min(20, Math.floor(left / 4)));
  const name = (variant: number) => right(clip(printable(variants[variant]), nameWidth), means(variant));
  const columns = [pairs, name(0), name(index + 1), ...rest];
  const labelWidth = Math.max(8, mostColumns - widthOf(columns) - 2);
  const labels = rows.map((row) => clip(printable(labelOf(row)), labelWidth));
  return draw([{ header: "", cells: labels, align: "left" }, ...columns]);
}

function labelOf({ label, scope }: ComparisonRow): string {
  return scope === "apart" ? `${label} (apart)` : label;
}

function summaryLines({ rows }: PairedComparison, index: number): string[] {
  const whole = rows.filter(({ scope }) => scope === "all" || scope === "without apart");
  const percent = (share: number) => (100 * share).toFixed(1);
  const lines = whole.map(({ label, contrasts }) => {
    const { winRate, wins, losses, signTest } = contrasts[index];
    if (winRate === null) return `${label}: no pair differs`;
    const range = winRate.interval && `, ${percent(winRate.interval.low)} to ${percent(winRate.interval.high)}`;
    return `${label}: better in ${wins} of ${wins + losses} that differ (${percent(winRate.value)}%${range}, ${formatP(signTest)})`;
  });
  const small = rows.some((row) => row.small) ? [`* fewer than ${smallSet} prompts`] : [];
  return ["[ ] are 95% intervals; +/=/- counts pairs: better, same, worse", ...lines, ...small];
}

function draw(columns: readonly Column[]): string[] {
  const count = columns[0].cells.length;
  const texts = columns.map(({ header, cells, align }) => {
    const width = Math.max(...[header, ...cells].map(cellsOf));
    return [header, ...cells].map((text) => {
      const space = " ".repeat(width - cellsOf(text));
      return align === "left" ? text + space : space + text;
    });
  });
  return Array.from({ length: count + 1 }, (_, line) =>
    texts
      .map((column) => column[line])
      .join("  ")
      .trimEnd(),
  );
}

function widthOf(columns: readonly Column[]): number {
  const widths = columns.map(({ header, cells }) => Math.max(...[header, ...cells].map(cellsOf)));
  return widths.reduce((sum, width) => sum + width, 0) + 2 * (columns.length - 1);
}

/** One line of plain text, so that a name cannot move the cursor. */
function printable(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim();
}

/** Cells that `text` takes at most: what may be wide counts as wide, so that no line is too long. */
function cellsOf(text: string): number {
  return [...text].reduce((cells, character) => cells + (character < "\u1100" ? 1 : 2), 0);
}

function clip(line: string, width: number): string {
  if (cellsOf(line) <= width) return line;
  let kept = "";
  for (const character of line) {
    if (cellsOf(kept + character) > width - 3) break;
    kept += character;
  }
  return `${kept.trimEnd()}...`;
}
