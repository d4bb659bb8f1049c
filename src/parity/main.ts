#!/usr/bin/env node
/** @file `npm run parity -- FOLDER`: runs every golden that it recognises in a folder laid out like test/fixtures/parity. */

import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { InputError, messageOf } from "../core/errors.js";
import { openPipelineFolder } from "../pipelines/folder.js";
import { isSupportedClass } from "../pipelines/open.js";
import type { Engine } from "../runtime/engine.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { checks } from "./checks.js";
import { checkVocabulary } from "./clip-vocabulary.js";
import { type Comparison, formatComparison } from "./compare.js";
import { evalChecks } from "./eval-checks.js";
import { openSubject } from "./subject.js";

/** What happened to the goldens of all folders. */
interface Tally {
  passed: number;
  failed: number;
  notCovered: number;
}

/** Files beside goldens that are none themselves. */
const companions = /^(meta|prompts|imagereward-names|scheduler-.*)\.json$/;

async function main(): Promise<void> {
  const [, , argument] = process.argv;
  if (argument === undefined) {
    process.stderr.write("usage: npm run parity -- FOLDER (laid out like test/fixtures/parity, or one family of it)\n");
    process.exitCode = 2;
    return;
  }
  const root = resolve(argument);
  if (!existsSync(root)) throw new InputError(`${argument} does not exist`);
  if (!(await stat(root)).isDirectory()) throw new InputError(`${argument} is not a folder`);
  const engine = new OnnxRuntimeEngine("cpu");
  const tally: Tally = { passed: 0, failed: 0, notCovered: 0 };
  try {
    const folders = isGoldenFolder(root) ? [root] : await subfolders(root);
    for (const folder of folders) await checkFolder(folder, engine, tally);
  } finally {
    await engine.close();
  }
  const { passed, failed, notCovered } = tally;
  process.stdout.write(`${passed} passed, ${failed} failed, ${notCovered} not covered yet\n`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}

/** A folder that is a family or a vocabulary itself, rather than a folder of such. */
function isGoldenFolder(folder: string): boolean {
  return ["meta.json", "pipeline", "vocab.json"].some((name) => existsSync(join(folder, name)));
}

async function subfolders(root: string): Promise<string[]> {
  const names = await readdir(root);
  const kinds = await Promise.all(names.map((name) => stat(join(root, name))));
  return names
    .filter((_, index) => kinds[index].isDirectory())
    .sort()
    .map((name) => join(root, name));
}

async function checkFolder(folder: string, engine: Engine, tally: Tally): Promise<void> {
  const names = (await readdir(folder)).sort();
  const goldens = names.filter((name) => /\.(safetensors|json)$/.test(name) && !companions.test(name));
  if (existsSync(join(folder, "vocab.json"))) {
    for (const golden of goldens.filter((name) => /^golden-/.test(name))) {
      await attempt(folder, golden, tally, checkVocabulary(folder, golden));
    }
    return;
  }
  if (existsSync(join(folder, "clip", "config.json"))) {
    for (const golden of goldens) {
      const check = evalChecks[golden];
      if (check !== undefined) await attempt(folder, golden, tally, check(folder, golden, engine));
      else notCovered(folder, golden, tally);
    }
    return;
  }
  const subject = (await isCovered(folder)) ? await openSubject(folder, engine).catch(messageOf) : null;
  for (const golden of goldens) {
    const check = checks.find(([pattern]) => pattern.test(golden))?.[1];
    if (check === undefined || subject === null) {
      notCovered(folder, golden, tally);
    } else if (typeof subject === "string") {
      report(folder, tally, `${golden.padEnd(44)} FAIL (${subject})`);
    } else {
      await attempt(folder, golden, tally, check(subject, golden));
    }
  }
}

function notCovered(folder: string, golden: string, tally: Tally): void {
  tally.notCovered++;
  report(folder, tally, `${golden.padEnd(44)} not covered yet`);
}

/** Whether a family folder's pipeline is of a class that can be opened; one that cannot even be read counts, and fails. */
async function isCovered(folder: string): Promise<boolean> {
  const pipeline = join(folder, "pipeline");
  if (!existsSync(pipeline)) return false;
  return openPipelineFolder(pipeline).then(
    ({ className }) => isSupportedClass(className),
    () => true,
  );
}

/** Runs one golden; it fails where it throws, and where there was nothing to compare. */
async function attempt(
  folder: string,
  golden: string,
  tally: Tally,
  comparisons: AsyncIterable<Comparison>,
): Promise<void> {
  let count = 0;
  try {
    for await (const comparison of comparisons) {
      count++;
      const name = `${golden.replace(/\.(safetensors|json)$/, "")} ${comparison.name}`.trimEnd();
      report(folder, tally, formatComparison({ ...comparison, name }));
    }
    if (count === 0) report(folder, tally, `${golden.padEnd(44)} FAIL (it holds nothing to compare)`);
  } catch (error) {
    report(folder, tally, `${golden.padEnd(44)} FAIL (${messageOf(error)})`);
  }
}

/** Prints a golden's line and counts its verdict, which stands in it. */
function report(folder: string, tally: Tally, line: string): void {
  if (/ FAIL( |$)/.test(line)) tally.failed++;
  else if (/ ok( |$)/.test(line)) tally.passed++;
  process.stdout.write(`${basename(folder)}/${line}\n`);
}

await main().catch((error: unknown) => {
  process.stderr.write(`parity: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
