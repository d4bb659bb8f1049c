/** @file Suggests the right name for a misspelled one. */

/** Names in other trainers. */
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

/** The name most similar to `wrong`, ignoring case, `_` and `-`; undefined if none is similar. */
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

/** Number of insertions, deletions, replacements and swaps of neighbours between two texts (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + same);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) least = Math.min(least, at(beforeLast, column - 2) + 1);
      current.push(least);
    }
    [beforeLast, last] = [last, current];
  }
  return at(last, b.length);
}

function at(distances: readonly number[], column: number): number {
  return distances[column] ?? Number.POSITIVE_INFINITY;
}
