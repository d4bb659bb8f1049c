import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { z } from "zod";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const manifestSchema = z.object({
  exports: z.record(z.string(), z.union([z.string(), z.object({ types: z.string() })])),
});

/** The exported names of each entry point, types included. */
const entryPoints = Object.entries(manifestSchema.parse(JSON.parse(read("package.json"))).exports).flatMap(
  ([entryPoint, target]) =>
    typeof target === "string" ? [] : [{ entryPoint, names: exportedNames(read(target.types.replace("./", ""))) }],
);

/** Names as written in `export { a, type B } from "..."` and `export * as c from "..."`. */
function exportedNames(declarations: string): readonly string[] {
  const lists = [...declarations.matchAll(/^export (?:type )?\{([^}]*)\} from/gm)].flatMap(([, list = ""]) =>
    list.split(",").map((name) => name.trim().replace(/^type /, "")),
  );
  const namespaces = [...declarations.matchAll(/^export \* as (\w+) from/gm)].map(([, name = ""]) => name);
  return [...lists, ...namespaces].filter((name) => name !== "");
}

test("no name is exported by two entry points", () => {
  assert.ok(entryPoints.length >= 5 && entryPoints.every(({ names }) => names.length > 5));
  const all = entryPoints.flatMap(({ entryPoint, names }) => names.map((name) => ({ entryPoint, name })));
  const repeated = all.filter(({ name }, index) => all.findIndex((other) => other.name === name) !== index);
  assert.deepEqual(repeated, []);
});

test("entry points export names without renaming them", () => {
  for (const { names } of entryPoints)
    assert.deepEqual(
      names.filter((name) => / as /.test(name)),
      [],
    );
});
