#!/usr/bin/env node
/** @file `npm run parity -- FOLDER`: runs every golden that it recognises in a folder laid out like test/fixtures/parity. */

import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { messageOf } from "../core/errors.js";
import type { Engine } from "../runtime/engine.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { checkVocabulary } from "./clip-vocabulary.js";
import { formatComparison } from "./compare.js";
import { openSubject, sd3Checks } from "./sd3.js";

/** What happened to the goldens of all folders. */
interface Tally {
  passed: number;
  failed: number;
  notCovered: number;
}

/** Files beside goldens that are none themselves. */
const companions = /^(meta|prompts|scheduler-.*)\.json$/;

async function main(): Promise<void> {
  const [, , argument] = process.argv;
  if (argument === undefined) {
    process.stderr.write("usage: npm run parity -- FOLDER (laid out like test/fixtures/parity, or one family of it)\n");
    process.exitCode = 2;
    return;
  }
  const root = resolve(argument);
  if (!existsSync(root)) {
    process.stderr.write(`parity: ${argument} does not exist\n`);
    process.exitCode = 1;
    return;
  }
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
      report(folder, tally, formatComparison(await checkVocabulary(folder, golden)));
    }
    return;
  }
  const subject = existsSync(join(folder, "pipeline"))
    ? await openSubject(folder, engine).catch(messageOf)
    : "no pipeline";
  for (const golden of goldens) {
    const check = sd3Checks.find(([pattern]) => pattern.test(golden))?.[1];
    if (check === undefined || (typeof subject === "string" && /not supported|no pipeline/.test(subject))) {
      tally.notCovered++;
      report(folder, tally, `${golden.padEnd(44)} not covered yet`);
    } else if (typeof subject === "string") {
      report(folder, tally, `${golden.padEnd(44)} FAIL (${subject})`);
    } else {
      try {
        for await (const comparison of check(subject, golden)) {
          const name = `${golden.replace(/\.(safetensors|json)$/, "")} ${comparison.name}`;
          report(folder, tally, formatComparison({ ...comparison, name }));
        }
      } catch (error) {
        report(folder, tally, `${golden.padEnd(44)} FAIL (${messageOf(error)})`);
      }
    }
  }
}

/** Prints a golden's line and counts its verdict, which stands in it. */
function report(folder: string, tally: Tally, line: string): void {
  if (/ FAIL( |$)/.test(line)) tally.failed++;
  else if (/ ok( |$)/.test(line)) tally.passed++;
  process.stdout.write(`${basename(folder)}/${line}\n`);
}

await main();
