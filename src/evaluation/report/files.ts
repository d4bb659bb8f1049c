/** @file report.json and report.html in a folder. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError, messageOf } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";
import { renderReport } from "./render.js";
import { parseReport, type Report } from "./schema.js";

export interface ReportFiles {
  readonly json: string;
  readonly html: string;
}

/** Checks the report, then writes both files, each whole or not at all. */
export async function writeReport(folder: string, report: Report): Promise<ReportFiles> {
  const checked = parseReport(report, "what was to be written");
  const files = { json: join(folder, "report.json"), html: join(folder, "report.html") };
  const page = renderReport(checked);
  await writeFileAtomic(files.json, `${JSON.stringify(checked)}\n`);
  await writeFileAtomic(files.html, page);
  return files;
}

export async function readReport(file: string): Promise<Report> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new InputError(`cannot read the report ${file}: ${messageOf(error)}`, { cause: error });
  }
  return parseReport(json, file);
}
