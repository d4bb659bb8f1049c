import assert from "node:assert/strict";
import { test } from "node:test";
import { importCircles, upwardImports } from "./floors.js";
import { importsOf, type SourceFile, sourceFiles } from "./sources.js";

const files = sourceFiles();

test("imports go downwards only", () => {
  assert.deepEqual(upwardImports(files), []);
});

test("no files import each other in a circle", () => {
  assert.deepEqual(importCircles(files), []);
});

test("every import leads to a file", () => {
  const paths = new Set(files.map(({ path }) => path));
  const lost = files.flatMap(({ path, imports }) =>
    imports.filter((target) => !paths.has(target)).map((target) => `${path}: ${target}`),
  );
  assert.deepEqual(lost, []);
});

test("imports are found in every form", () => {
  // Single quotes until they are joined, or this file would import all of these.
  const text = [
    "import { readFile } from 'node:fs/promises';",
    "import {\n  type A,\n  b,\n} from '../core/a.js';",
    "import type { C } from './c.js';",
    "import './d.js';",
    "export * from './e.js';",
    "export { type F } from './f.js';",
    "const g = await import('./g.js');",
    "type H = typeof import('./h.js');",
    "import { j } from '#softrepa/core/j.js';",
  ]
    .join("\n")
    .replaceAll("'", '"');
  const local = ["c", "d", "e", "f", "g", "h"].map((name) => `src/graph/${name}.ts`);
  assert.deepEqual(importsOf("src/graph/x.ts", text), ["src/core/a.ts", ...local, "src/core/j.ts"]);
});

test("an import upwards, beside, of test helpers, of tools or from a room without a floor is a fault", () => {
  const from = (path: string, target: string): SourceFile => ({ path, imports: [target] });
  const faulty = [
    from("src/core/a.ts", "src/graph/b.ts"),
    from("src/data/a.ts", "src/scenes/b.ts"),
    from("src/data/a.ts", "src/testing/b.ts"),
    from("src/cli/a.ts", "tools/lint/b.ts"),
    from("src/attic/a.ts", "src/core/b.ts"),
  ];
  for (const file of faulty) assert.equal(upwardImports([file]).length, 1, file.path);
  const sound = [
    from("src/graph/a.ts", "src/core/b.ts"),
    from("src/core/a.test.ts", "src/testing/b.ts"),
    from("src/testing/a.ts", "src/cli/b.ts"),
    from("tools/lint/a.ts", "src/testing/b.ts"),
  ];
  assert.deepEqual(upwardImports(sound), []);
});

test("circles name their files", () => {
  const circle = [
    { path: "src/core/a.ts", imports: ["src/core/b.ts"] },
    { path: "src/core/b.ts", imports: ["src/core/c.ts", "src/core/d.ts"] },
    { path: "src/core/c.ts", imports: ["src/core/a.ts"] },
    { path: "src/core/d.ts", imports: [] },
  ];
  assert.deepEqual(importCircles(circle), [
    "3 files import each other in a circle: src/core/a.ts, src/core/b.ts, src/core/c.ts",
  ]);
});
