/** @file Which room may import which: the whole rule of ARCHITECTURE.md in one list, and the check of it. */

import type { SourceFile } from "./sources.js";

/**
 * The rooms of src/, from the bottom up. A file imports from its own room and from floors below; rooms that share a
 * floor do not import each other. A new room is a name in this list.
 */
const floors: readonly (readonly string[])[] = [
  ["core"],
  ["schedulers", "weights", "data", "scenes"],
  ["graph"],
  ["runtime"],
  ["models"],
  ["pipelines"],
  ["families"],
  ["objectives", "softtokens"],
  ["sampling"],
  ["editing"],
  ["training", "evaluation"],
  ["runs"],
  ["demo", "library"],
  ["cli", "exports", "index.ts"],
];

const floorOf = new Map(floors.flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)));

/** Test helpers import anything and are imported by tests (and tools) alone. */
const helpers = "testing";

/** One line for each import that does not go downwards. */
export function upwardImports(files: readonly SourceFile[]): readonly string[] {
  const faults: string[] = [];
  for (const { path, imports } of files) {
    const room = roomOf(path);
    if (room === undefined || room === helpers || path.endsWith(".test.ts")) continue;
    const floor = floorOf.get(room);
    if (floor === undefined) {
      faults.push(`${path}: src/${room} has no floor; add it to the list in tools/lint/floors.ts`);
      continue;
    }
    for (const target of imports) {
      const other = roomOf(target);
      if (other === room) continue;
      if (other !== undefined && (floorOf.get(other) ?? Number.POSITIVE_INFINITY) < floor) continue;
      faults.push(`${path} imports ${target}: ${room} -> ${other ?? "tools"} does not go downwards`);
    }
  }
  return faults;
}

/** One line for each set of files that import each other in a circle, types included. */
export function importCircles(files: readonly SourceFile[]): readonly string[] {
  return cyclicComponents(files).map(
    (circle) => `${circle.length} files import each other in a circle: ${circle.join(", ")}`,
  );
}

/** The folder of src/ that a file is in (its own name if it is in none); undefined for files of tools/. */
function roomOf(path: string): string | undefined {
  const [root, room] = path.split("/");
  return root === "src" ? room : undefined;
}

/** Strongly connected components of more than one file (Tarjan), and files that import themselves; each sorted. */
function cyclicComponents(files: readonly SourceFile[]): readonly (readonly string[])[] {
  const importsOf = new Map(files.map(({ path, imports }) => [path, imports]));
  const order = new Map<string, number>();
  const stack: string[] = [];
  const components: string[][] = [];
  const visit = (path: string): number => {
    const index = order.size;
    order.set(path, index);
    stack.push(path);
    let low = index;
    for (const target of importsOf.get(path) ?? []) {
      if (!order.has(target)) low = Math.min(low, visit(target));
      else if (stack.includes(target)) low = Math.min(low, order.get(target) ?? low);
    }
    if (low === index) {
      const component = stack.splice(stack.indexOf(path)).sort();
      if (component.length > 1 || importsOf.get(path)?.includes(path)) components.push(component);
    }
    return low;
  };
  for (const { path } of files) if (!order.has(path)) visit(path);
  return components;
}
