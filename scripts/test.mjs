/**
 * @file Runs the compiled tests: all of them, or those below the paths given; `--fast` leaves out `*.slow.test.js` and has the
 * others repeat themselves less often (src/testing/core/repetitions.ts).
 * Node 20 and later read globs differently, so files are named.
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

const fast = process.argv.includes("--fast");
const paths = process.argv
  .slice(2)
  .filter((argument) => argument !== "--fast")
  .map((path) => join(path));
const files = ["dist", "build"]
  .flatMap((root) => readdirSync(root, { recursive: true }).map((name) => join(root, String(name))))
  .filter((file) => file.endsWith(".test.js"))
  .filter((file) => paths.length === 0 || paths.some((path) => file.startsWith(path)))
  .filter((file) => !fast || !file.endsWith(".slow.test.js"))
  .sort();
if (files.length === 0) {
  console.error("no tests found below dist and build: run npm run build first");
  process.exit(1);
}
const env = { ...process.env, ...(fast ? { SOFTREPA_FAST_TESTS: "1" } : {}) };
// Node leaves one processor idle unless it is told; with two it would run one file after another.
const options = ["--enable-source-maps", "--test", `--test-concurrency=${availableParallelism()}`];
const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: "inherit", env });
process.exit(status ?? 1);
