/**
 * @file Runs the compiled tests: all of them, or those below the paths given; `--fast` leaves out whole commands and all goldens.
 * Node 20 and later read globs differently, so files are named.
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Rooms whose tests start processes or run every golden. */
const slow = ["cli", "parity"].map((room) => join("dist", room));

const fast = process.argv.includes("--fast");
const wanted = process.argv
  .slice(2)
  .filter((argument) => argument !== "--fast")
  .map((path) => join(path));
const files = readdirSync("dist", { recursive: true })
  .map((name) => join("dist", String(name)))
  .filter((file) => file.endsWith(".test.js"))
  .filter((file) => wanted.length === 0 || wanted.some((path) => file.startsWith(path)))
  .filter((file) => !fast || !slow.some((room) => file.startsWith(room)))
  .sort();
if (files.length === 0) {
  console.error("no tests found below dist: run npm run build first");
  process.exit(1);
}
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" });
process.exit(status ?? 1);
