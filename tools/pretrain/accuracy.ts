/** @file How often a pipeline on its way is right: held-out prompts by category, in the style that it learns best and in the users' own. */

import { openPipeline } from "#softrepa/families/open.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { heldOutPrompts } from "#softrepa/scenes/prompts.js";
import { accuracies, verifyPrompts } from "../scenes/verify-prompts.js";

export interface AccuracySettings {
  readonly prompts: number;
  readonly steps: number;
  readonly guidanceScale: number;
  /** Images sampled together. */
  readonly batch: number;
}

const promptSeed = 1000;
const styles = { catalogue: "catalogue", labels: "alt" } as const;

/** Percentages of right images, of all and by category, for both styles. */
export async function measureAccuracy(
  folder: string,
  engine: Engine,
  { prompts, ...sampling }: AccuracySettings,
): Promise<Record<keyof typeof styles, Record<string, number>>> {
  const pipeline = await openPipeline(folder, engine);
  const measure = async (register: (typeof styles)[keyof typeof styles]) => {
    const asked = heldOutPrompts(prompts, promptSeed, register);
    const verified = await verifyPrompts(pipeline, null, asked, { ...sampling, seed: 0 });
    return Object.fromEntries(
      Object.entries(accuracies(verified)).map(([name, share]) => [name, Number((100 * share).toFixed(1))]),
    );
  };
  return { catalogue: await measure(styles.catalogue), labels: await measure(styles.labels) };
}
