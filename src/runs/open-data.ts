/** @file Opens and reports the data sets of a training run, and skips unusable parts if requested. */

import { InputError } from "../core/errors.js";
import type { CaptionedImage } from "../data/captioned-image.js";
import { openDataSet } from "../data/data-set.js";
import { decodeAll } from "../data/decode-all.js";
import { Faults } from "../data/finding.js";
import type { WeightedImages } from "../data/mixture.js";
import type { CompleteSpec } from "./complete-spec.js";
import type { RunHooks } from "./events.js";
import type { WeightedPath } from "./weighted-path.js";

/** Number of faults with a warning each. */
const reportedFaults = 5;

export async function openTrainingData(
  { data, skipUnusable }: Pick<CompleteSpec, "data" | "skipUnusable">,
  { emit, signal }: RunHooks,
): Promise<(WeightedImages & WeightedPath)[]> {
  const sets: (WeightedImages & WeightedPath)[] = [];
  const warn = (message: string) => emit({ type: "warning", message });
  for (const { path, weight } of data) {
    const faults = new Faults();
    const { format, because, items } = await openDataSet(path, skipUnusable ? faults.add : undefined);
    let usable: readonly CaptionedImage[] = items;
    if (skipUnusable) {
      const onProgress = (done: number, total: number) =>
        emit({ type: "progress", label: "images checked", done, total });
      usable = await decodeAll(items, faults.add, { ...(signal && { signal }), onProgress });
      const [first] = faults.kept;
      if (usable.length === 0 && first !== undefined) throw new InputError(first.message);
    }
    for (const { message } of faults.kept.slice(0, reportedFaults)) warn(`skipped: ${message}`);
    if (faults.total > reportedFaults) {
      warn(`skipped: ${faults.total - reportedFaults} more (softrepa data check ${path} lists them)`);
    }
    emit({
      type: "data",
      path,
      weight: weight ?? null,
      format,
      because,
      images: usable.length,
      skipped: faults.total,
    });
    sets.push({ path, items: usable, weight });
  }
  return sets;
}
