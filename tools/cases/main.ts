/**
 * @file Runs the cases of a folder and compares what they print with what their case.md expects. A case is a folder with `run.sh`
 * and `case.md`; run.sh finds a built clone in the environment variable REPO.
 *
 *     node build/tools/cases/main.js FOLDER [NAME...]
 */

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { expectations } from "./expectations.js";

const [folder, ...chosen] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node build/tools/cases/main.js FOLDER [NAME...]");
  process.exit(2);
}
const verbose = process.env.VERBOSE === "1";
// Cases name compiled files of older layouts.
const moved = new URL("./moved.js", import.meta.url).href;
const env = { ...process.env, REPO: process.cwd(), NODE_OPTIONS: `--import ${moved}` };
const names = readdirSync(folder)
  .filter((name) => existsSync(join(folder, name, "run.sh")))
  .filter((name) => chosen.length === 0 || chosen.some((one) => name.startsWith(one)));
let failed = 0;
for (const name of names) {
  const { stdout, stderr } = spawnSync("bash", [resolve(folder, name, "run.sh")], { env, encoding: "utf8" });
  const output = stdout + stderr;
  const problems = problemsOf(name, output);
  if (problems.length > 0) failed++;
  console.log(`${problems.length === 0 ? "ok  " : "FAIL"}  ${name}${problems.map((one) => `\n      ${one}`).join("")}`);
  if (verbose || problems.length > 0) console.log(output.replace(/^/gm, "      | "));
}
console.log(`${names.length - failed} of ${names.length} cases give what they should`);
process.exitCode = failed === 0 && names.length > 0 ? 0 : 1;

function problemsOf(name: string, output: string): string[] {
  const expected = expectations[name];
  if (expected === undefined) return ["no expectation in tools/cases/expectations.ts"];
  return [
    ...expected.all.filter((pattern) => !pattern.test(output)).map((pattern) => `lacks ${pattern}`),
    ...(expected.none ?? []).filter((pattern) => pattern.test(output)).map((pattern) => `has ${pattern}`),
  ];
}
