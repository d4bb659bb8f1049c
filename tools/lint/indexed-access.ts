/**
 * @file Which rooms compile with TypeScript's noUncheckedIndexedAccess, under which `values[i]` may be undefined. The option is not in
 * tsconfig.json, since it holds for whole programs only: here the compiler runs with it, and faults of rooms that follow later are left out.
 */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./sources.js";

/** Rooms that have such faults still. An entry without any is a fault, so that this only shrinks. */
export const pending: readonly string[] = ["src/evaluation", "tools/bench", "tools/parity", "tools/pretrain", "tests"];

/** What the compiler says about src/ and tools/ with the option on, a line each. */
export function compilerErrors(): readonly string[] {
  const flags = ["--noUncheckedIndexedAccess", "--noEmit", "--composite", "false", "--incremental", "false"];
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  return [".", "tools"].flatMap((project) => {
    try {
      execFileSync(process.execPath, [compiler, "-p", project, ...flags, "--pretty", "false"], { cwd: root });
      return [];
    } catch (error) {
      const { stdout } = error as { readonly stdout?: Buffer };
      if (stdout === undefined) throw error;
      return stdout
        .toString()
        .split("\n")
        .filter((line) => /^\S+\(\d+,\d+\): error/.test(line));
    }
  });
}

/** Errors in rooms that are not pending, and pending rooms without errors. */
export function indexedAccessFaults(errors: readonly string[], rooms: readonly string[] = pending): readonly string[] {
  const found = new Set(errors.map(roomOf));
  const unneeded = rooms.filter((room) => !found.has(room));
  return [
    ...errors.filter((error) => !rooms.includes(roomOf(error))),
    ...unneeded.map((room) => `${room} has no unchecked index any more; remove it from tools/lint/indexed-access.ts`),
  ];
}

function roomOf(error: string): string {
  const [path = ""] = error.split("(");
  if (path.endsWith(".test.ts") || path.startsWith("src/testing/")) return "tests";
  return path.split("/").slice(0, 2).join("/");
}
