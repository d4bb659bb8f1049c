/** @file The TypeScript files of the repository and what each imports. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository, seen from build/tools/lint. */
export const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface SourceFile {
  /** From the root, with slashes: "src/core/errors.ts". */
  readonly path: string;
  /** Files of the repository that it imports, as such paths; types and dynamic imports included, packages not. */
  readonly imports: readonly string[];
}

/** All TypeScript files below src/ and tools/. */
export function sourceFiles(): readonly SourceFile[] {
  return ["src", "tools"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => posix.join(folder, name.replaceAll("\\", "/")))
      .sort()
      .map((path) => ({ path, imports: importsOf(path, readFileSync(join(root, path), "utf8")) })),
  );
}

/** `import ... from`, `export ... from`, `import "..."`, and `import(...)` of a value or type. */
const specifier = /^(?:import|export)\b[^;"'`]*?\bfrom\s*"([^"]+)"|^import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;

/** The imports of the file at `path`, whose text is formatted by Biome. */
export function importsOf(path: string, text: string): readonly string[] {
  const targets = [...text.matchAll(specifier)].map(
    (match) => match.slice(1).find((group) => group !== undefined) ?? "",
  );
  return [...new Set(targets.flatMap((target) => resolve(path, target) ?? []))];
}

function resolve(path: string, target: string): string | undefined {
  const source = target.replace(/\.js$/, ".ts");
  if (source.startsWith("#softrepa/")) return source.replace("#softrepa/", "src/");
  return source.startsWith(".") ? posix.join(dirname(path), source) : undefined;
}
