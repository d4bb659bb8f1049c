#!/usr/bin/env node
/** @file `npm run parity -- FOLDER`: checks all goldens that it recognises in a folder with the layout of test/fixtures/parity. */

import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { InputError, messageOf } from "#softrepa/core/errors.js";
import { builtInFamilies } from "#softrepa/families/index.js";
import { openPipelineFolder } from "#softrepa/pipelines/folder.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { OnnxRuntimeEngine } from "#softrepa/runtime/onnxruntime/engine.js";
import { checks } from "./checks.js";
import { checkVocabulary } from "./clip-vocabulary.js";
import { checkEditFolder, isEditFolder } from "./edit-folder.js";
import { evalChecks } from "./eval-checks.js";
import { openSubject } from "./subject.js";
import { Tally } from "./tally.js";

/** JSON files that accompany goldens. */
const companions = /^(meta|prompts|imagereward-names|scheduler-.*)\.json$/;

async function main(): Promise<void> {
  const [, , argument] = process.argv;
  if (argument === undefined) {
    process.stderr.write(
      "usage: npm run parity -- FOLDER (laid out like test/fixtures/parity or one of its families)\n",
    );
    process.exitCode = 2;
    return;
  }
  const root = resolve(argument);
  if (!existsSync(root)) throw new InputError(`${argument} does not exist`);
  if (!(await stat(root)).isDirectory()) throw new InputError(`${argument} is not a folder`);
  const engine = new OnnxRuntimeEngine("cpu");
  const tally = new Tally();
  try {
    const folders = isGoldenFolder(root) ? [root] : await subfolders(root);
    for (const folder of folders) await checkFolder(folder, engine, tally);
  } finally {
    await engine.close();
  }
  tally.finish();
}

/** Whether the folder is itself a family or a vocabulary, rather than a folder of these. */
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
  const name = basename(folder);
  const files = (await readdir(folder)).sort();
  const goldens = files.filter((file) => /\.(safetensors|json)$/.test(file) && !companions.test(file));
  if (existsSync(join(folder, "vocab.json"))) {
    for (const golden of goldens.filter((file) => /^golden-/.test(file))) {
      await tally.attempt(name, golden, checkVocabulary(folder, golden));
    }
    return;
  }
  if (existsSync(join(folder, "clip", "config.json"))) {
    for (const golden of goldens) {
      const check = evalChecks[golden];
      if (check !== undefined) await tally.attempt(name, golden, check(folder, golden, engine));
      else notCovered(name, golden, tally);
    }
    return;
  }
  if (await isEditFolder(folder)) {
    await checkEditFolder(folder, goldens, engine, tally);
    return;
  }
  if (name === "full") {
    tally.notCovered++;
    tally.report(name, `${"*".padEnd(44)} is for npm run parity:full, not covered yet`);
    return;
  }
  const subject = (await isCovered(folder)) ? await openSubject(folder, engine).catch(messageOf) : null;
  for (const golden of goldens) {
    const check = checks.find(([pattern]) => pattern.test(golden))?.[1];
    if (check === undefined || subject === null) {
      notCovered(name, golden, tally);
    } else if (typeof subject === "string") {
      tally.report(name, `${golden.padEnd(44)} FAIL (${subject})`);
    } else {
      await tally.attempt(name, golden, check(subject, golden));
    }
  }
}

function notCovered(name: string, golden: string, tally: Tally): void {
  tally.notCovered++;
  tally.report(name, `${golden.padEnd(44)} not covered yet`);
}

/** Whether the class of a family folder's pipeline is supported; an unreadable pipeline counts as supported, and fails. */
async function isCovered(folder: string): Promise<boolean> {
  const pipeline = join(folder, "pipeline");
  if (!existsSync(pipeline)) return false;
  return openPipelineFolder(pipeline).then(
    ({ className }) => builtInFamilies.some((family) => family.className === className),
    () => true,
  );
}

await main().catch((error: unknown) => {
  process.stderr.write(`parity: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
