/** @file Evaluation reports: report.json, report.html from it, and the comparison as text. */

export { type CheckpointScores, checkpointCurves } from "./checkpoint-curves.js";
export { type ReportFiles, readReport, writeReport } from "./files.js";
export { headlineOf } from "./headline.js";
export { renderReport } from "./render.js";
export { parseReport, type Report, type ReportSettings, reportSchema } from "./schema.js";
export { similarityLines } from "./similarity.js";
export { comparisonLines } from "./text-table.js";
