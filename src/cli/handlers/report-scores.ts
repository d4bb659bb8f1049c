/** @file Writes the report of `eval` and `compare`, and prints it. */

import { packageVersion } from "../../core/version.js";
import { comparisonLines, headlineOf, type Report, writeReport } from "../../evaluation/report/index.js";
import { compareScores, type EvaluationScores, scoresReport, writeScores } from "../../evaluation/run/index.js";
import { withFlags } from "../flags.js";
import type { Reporter } from "../reporter.js";

/** The command line as typed, and the version of this package. */
export function provenance() {
  return { commandLine: ["softrepa", ...process.argv.slice(2)].join(" "), version: packageVersion() };
}

/** Writes report and scores into `out`, or nothing if it is undefined, and prints tables, warnings and file names. */
export async function reportScores(
  scores: EvaluationScores,
  out: string | undefined,
  { settings, ...details }: Omit<Parameters<typeof scoresReport>[1], "folder">,
  reporter: Reporter,
): Promise<void> {
  const report = await scoresReport(scores, {
    ...details,
    folder: out ?? ".",
    settings: { ...settings, ...provenance() },
  });
  const files =
    out === undefined
      ? []
      : [...Object.values(await writeScores(out, scores)), ...Object.values(await writeReport(out, report))];
  printScores(scores, report, files, reporter);
}

/** Prints tables, warnings and file names. */
export function printScores(
  scores: EvaluationScores,
  report: Report,
  files: readonly string[],
  reporter: Reporter,
): void {
  const comparisons = compareScores(scores);
  const { measurements = [], notRun = [] } = report;
  reporter.event("evaluation", { comparisons, measurements, notRun, files });
  for (const comparison of comparisons) {
    for (const line of comparisonLines(comparison)) reporter.print(line);
    reporter.print(headlineOf(comparison));
    reporter.print("");
  }
  if (measurements.length > 0) {
    const rows = measurements.flatMap(({ metric, rows: values }) =>
      values.map(({ variant, label, images, estimate: { value, interval } }) => [
        metric.name,
        variant,
        label,
        value,
        interval === null ? "" : `${interval.low.toPrecision(4)} to ${interval.high.toPrecision(4)}`,
        images,
      ]),
    );
    reporter.table([["metric", "variant", "category", "mean", "95% interval", "images"], ...rows]);
  }
  for (const { metric, remark } of measurements)
    if (/below|unstable/.test(remark)) reporter.warn(`${metric.name} ${remark}`);
  for (const { name, reason } of notRun) reporter.print(`not run: ${name} (${withFlags(reason)})`);
  for (const file of files) reporter.print(file);
}
