/** @file The right name for a wrong one. */

/** What other trainers call it. */
const synonyms: Readonly<Record<string, string>> = {
  "learning-rate": "lr",
  "batch-size": "batch",
  "train-batch-size": "batch",
  "max-steps": "steps",
  "max-train-steps": "steps",
  "num-train-epochs": "epochs",
  "train-data-dir": "data",
  dataset: "data",
  "output-dir": "out",
  output: "out",
  "pretrained-model-name-or-path": "model",
  "save-steps": "save-every",
  "validation-prompt": "sample-prompt",
};

/** The name that `wrong` most likely means; undefined where none is near. Case, `_` and `-` do not count. */
export function nearestName(wrong: string, names: readonly string[]): string | undefined {
  const normalized = (name: string) =>
    name
      .slice(0, 60)
      .replace(/([a-z\d])([A-Z])/g, "$1-$2")
      .replaceAll("_", "-")
      .toLowerCase();
  const target = normalized(wrong);
  const synonym = Object.hasOwn(synonyms, target) ? synonyms[target] : undefined;
  if (synonym !== undefined && names.includes(synonym)) return synonym;
  const [best] = names
    .map((name) => ({ name, distance: editDistance(target, normalized(name)) }))
    .sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= Math.max(1, Math.floor(target.length / 3)) ? best.name : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one text into the other (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + same);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) least = Math.min(least, at(before, column - 2) + 1);
      current.push(least);
    }
    [before, last] = [last, current];
  }
  return at(last, b.length);
}

function at(distances: readonly number[], column: number): number {
  return distances[column] ?? Number.POSITIVE_INFINITY;
}
