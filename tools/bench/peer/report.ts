/** @file Prints the comparison and writes it to docs/benchmarks.md, between two marks. */

import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { writeFileAtomic } from "#softrepa/core/files.js";
import type { Task } from "./cases.js";
import type { Agreement } from "./compare.js";

export interface VariantResult extends Agreement {
  readonly name: string;
  readonly seconds: readonly number[];
  /** MB */
  readonly peakMemory: number;
}

/** The first variant is PyTorch in fp32, the second is PyTorch's fastest. */
export interface CaseResult {
  readonly name: string;
  readonly title: string;
  readonly task: Task;
  readonly variants: readonly VariantResult[];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle) - 1]) / 2;
}

/** The cells of a row: time with its range, ratios to both PyTorch variants, memory, agreement. */
function cells(variant: VariantResult, { variants: [eager, compiled] }: CaseResult): readonly string[] {
  const time = median(variant.seconds);
  const [min, max] = [Math.min(...variant.seconds), Math.max(...variant.seconds)];
  return [
    variant.name,
    formatTime(time, min, max),
    (time / median(eager.seconds)).toFixed(2),
    (time / median(compiled.seconds)).toFixed(2),
    `${variant.peakMemory.toFixed(0)} MB`,
    (variant.peakMemory / eager.peakMemory).toFixed(2),
    variant === eager ? "" : variant.relativeError.toExponential(1),
    variant === eager ? "" : variant.cosine.toFixed(5),
  ];
}

const heads = ["", "time, median (range)", "of eager", "of compiled", "peak memory", "of eager", "error", "cosine"];

export function printCase(result: CaseResult): void {
  const lines = [heads, ...result.variants.map((variant) => cells(variant, result))];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  console.log(`\n${result.title}`);
  for (const line of lines) console.log(`  ${line.map((cell, column) => cell.padEnd(widths[column])).join("  ")}`);
}

const begin = "<!-- measured by npm run bench -- --peer -->";
const end = "<!-- end of what was measured -->";

/** Replaces the text between the marks and keeps the rest. */
export async function writeDocument(file: string, results: readonly CaseResult[], threads: number): Promise<void> {
  const old = await readFile(file, "utf8").catch(() => `# Benchmarks\n\n${begin}\n${end}\n`);
  const [before, after] = [old.split(begin)[0], old.split(end)[1] ?? "\n"];
  const day = new Date().toISOString().slice(0, 10);
  const tables = results.map((result) => {
    const lines = [heads, heads.map(() => "---"), ...result.variants.map((variant) => cells(variant, result))];
    return `### ${result.title}\n\n${lines.map((line) => `| ${line.join(" | ")} |`).join("\n")}\n`;
  });
  const machine = `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${threads} threads, Node ${process.version}, ${day}`;
  await writeFileAtomic(file, `${before}${begin}\n\n${machine}\n\n${tables.join("\n")}\n${end}${after}`);
}

/** Median (min-max) in seconds, or in milliseconds below one second. */
function formatTime(time: number, min: number, max: number): string {
  if (time >= 1) return `${time.toFixed(2)} s (${min.toFixed(2)}-${max.toFixed(2)})`;
  const [middle, from, to] = [time, min, max].map((seconds) => (1000 * seconds).toFixed(1));
  return `${middle} ms (${from}-${to})`;
}
