/**
 * @file Runs the compiled tests, all or those below the given paths. `--fast` skips `*.slow.test.js` and reduces repetitions in
 * other tests (src/testing/core/repetitions.ts). Files are listed, because Node 20 and later versions expand globs differently.
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
// Node leaves one processor idle by default; with two processors it would run files one by one.
const options = ["--enable-source-maps", "--test", `--test-concurrency=${availableParallelism()}`];
const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: "inherit", env });
process.exit(status ?? 1);
