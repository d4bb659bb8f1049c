/** @file Every metric on every variant's pictures. One that cannot run is named with its reason, and the others go on. */

import { basename, relative } from "node:path";
import { InputError, stopIfAsked } from "../../core/errors.js";
import { fidSmallSet } from "../metrics/fid.js";
import { type FeatureStatistics, featureStatistics, frechetDistance } from "../metrics/frechet.js";
import type { Judged, OpenedMetric } from "../metrics/metric.js";
import { readStatistics, writeStatistics } from "../metrics/npz.js";
import type { NotRun, OpenedMetrics } from "../metrics/open-metrics.js";
import type { RunHooks } from "../metrics/run-graph.js";
import type { PictureSet } from "./picture-set.js";
import { accuracy, verifyFile } from "./scene-verdict.js";
import type { ScoredMetric, Scores, SetScore } from "./scores.js";

/** What FID compares with: pictures, or their statistics in a file. */
export type FidReference =
  | { readonly kind: "statistics"; readonly file: string }
  | { readonly kind: "pictures"; readonly name: string; readonly pictures: readonly Judged[] };

export interface MeasureOptions {
  /** Pictures' files are named from here. */
  readonly folder: string;
  readonly metrics: OpenedMetrics;
  readonly reference: FidReference | null;
  /** Where to write the statistics of the last variant's features, for later runs to compare with. */
  readonly saveStatistics: string | null;
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** Collects scores by variant and picture. */
interface Tables {
  readonly metrics: ScoredMetric[];
  /** scores[variant][picture]. */
  readonly scores: Record<string, number>[][];
  readonly reasons: string[][];
  readonly sets: SetScore[];
}

export async function measure(variants: readonly PictureSet[], options: MeasureOptions): Promise<Scores> {
  const { folder, metrics, signal, onProgress } = options;
  const tables: Tables = {
    metrics: [],
    scores: variants.map(({ pictures }) => pictures.map(() => ({}))),
    reasons: variants.map(({ pictures }) => pictures.map(() => "")),
    sets: [],
  };
  const notRun: NotRun[] = [...metrics.notRun];
  const attempt = async (name: string, body: (hooks: RunHooks) => Promise<void>) => {
    stopIfAsked(signal);
    const hooks = {
      ...(signal && { signal }),
      onProgress: (done: number, total: number) => onProgress?.(name, done, total),
    };
    try {
      await body(hooks);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      notRun.push({ name, reason: error.message });
    }
  };
  if (variants.some(({ pictures }) => pictures.some(({ expectation }) => expectation !== null))) {
    await attempt(accuracy.name, (hooks) => verifyAll(variants, tables, hooks));
  }
  for (const metric of metrics.opened) {
    await attempt(metric.name, async (hooks) => {
      try {
        await run(metric, variants, options, tables, hooks);
      } finally {
        // What was computed until an interruption is kept.
        await metric.save();
        await metric.release();
      }
    });
  }
  return {
    format: "softrepa-scores",
    formatVersion: 1,
    metrics: tables.metrics,
    variants: variants.map(({ name, pictures }, variant) => ({
      name,
      pictures: pictures.map(({ file, prompt, seed, category }, index) => ({
        file: relative(folder, file) || file,
        prompt,
        seed,
        category,
        scores: tables.scores[variant][index],
        reason: tables.reasons[variant][index],
      })),
    })),
    sets: tables.sets,
    notRun,
  };
}

async function verifyAll(
  variants: readonly PictureSet[],
  tables: Tables,
  { signal, onProgress }: RunHooks,
): Promise<void> {
  const total = variants.reduce((sum, { pictures }) => sum + pictures.length, 0);
  let done = 0;
  const found: [variant: number, index: number, correct: boolean, reason: string][] = [];
  for (const [variant, { pictures }] of variants.entries()) {
    for (const [index, { file, expectation }] of pictures.entries()) {
      stopIfAsked(signal);
      if (expectation !== null) {
        const { correct, reason } = await verifyFile(file, expectation);
        found.push([variant, index, correct, reason]);
      }
      onProgress?.(++done, total);
    }
  }
  // Only now, so that a picture that cannot be judged leaves no half of a metric.
  tables.metrics.push({ ...accuracy, of: "picture", weights: "" });
  for (const [variant, index, correct, reason] of found) {
    tables.scores[variant][index][accuracy.name] = correct ? 1 : 0;
    tables.reasons[variant][index] = reason;
  }
}

async function run(
  metric: OpenedMetric,
  variants: readonly PictureSet[],
  options: MeasureOptions,
  tables: Tables,
  hooks: RunHooks,
): Promise<void> {
  const { name, weights } = metric;
  switch (metric.kind) {
    case "prompt": {
      const scores = await metric.scores(
        variants.flatMap(({ pictures }) => pictures),
        hooks,
      );
      requireFinite(name, scores);
      tables.metrics.push({ name, weights, kind: "number", better: "higher", of: "picture" });
      let next = 0;
      for (const variant of tables.scores) for (const picture of variant) picture[name] = scores[next++];
      return;
    }
    case "pair": {
      const pairs = pairsWithFirst(variants);
      if (pairs.length === 0) throw new InputError("it compares the pictures of two variants, and there is one");
      const distances = await metric.distances(
        pairs.map(({ first, second }) => [first, second] as const),
        hooks,
      );
      requireFinite(name, distances);
      tables.metrics.push({ name, weights, kind: "number", better: "lower", of: "distance to the first variant" });
      for (const [i, { variant, index }] of pairs.entries()) tables.scores[variant][index][name] = distances[i];
      return;
    }
    case "set":
      tables.sets.push(...(await setScores(metric, variants, options, hooks)));
  }
}

/** The pictures of each further variant, each with the first variant's of the same prompt and seed. */
function pairsWithFirst([baseline, ...others]: readonly PictureSet[]) {
  const keyOf = ({ prompt, seed }: { readonly prompt: string; readonly seed: number }) => `${seed} ${prompt}`;
  const known = new Map(baseline.pictures.map((picture) => [keyOf(picture), picture]));
  return others.flatMap(({ name, pictures }, other) =>
    pictures.map((second, index) => {
      const first = known.get(keyOf(second));
      if (first === undefined) {
        const place = `prompt ${JSON.stringify(second.prompt)} with seed ${second.seed}`;
        throw new InputError(`${name} has a picture of ${place}, ${baseline.name} has none`);
      }
      return { first, second, variant: other + 1, index };
    }),
  );
}

async function setScores(
  metric: Extract<OpenedMetric, { kind: "set" }>,
  variants: readonly PictureSet[],
  { reference, saveStatistics }: MeasureOptions,
  hooks: RunHooks,
): Promise<SetScore[]> {
  if (reference === null && saveStatistics === null) {
    throw new InputError("give `reference` with real pictures, or with a statistics file of them (.npz)");
  }
  const statisticsOf = async (pictures: readonly Judged[]): Promise<FeatureStatistics> =>
    featureStatistics(await metric.features(pictures, hooks));
  const real = reference && (await referenceStatistics(reference, statisticsOf));
  const scores: SetScore[] = [];
  for (const { name: variant, pictures } of variants) {
    const statistics = await statisticsOf(pictures);
    if (saveStatistics !== null && variant === variants.at(-1)?.name) await writeStatistics(saveStatistics, statistics);
    if (real === null || reference === null) continue;
    const count = pictures.length;
    const few = Math.min(count, real.count ?? Number.POSITIVE_INFINITY);
    scores.push({
      metric: metric.name,
      variant,
      value: frechetDistance(statistics, real),
      pictures: count,
      reference:
        reference.kind === "statistics"
          ? basename(reference.file)
          : `${reference.name}, ${reference.pictures.length} pictures`,
      remark: few < fidSmallSet ? `from ${few} pictures; below ${fidSmallSet} FID is biased upwards and unstable` : "",
    });
  }
  if (scores.length === 0 && saveStatistics !== null) {
    throw new InputError(
      `only statistics were written, to ${saveStatistics}: \`reference\` gives what to compare with`,
    );
  }
  return scores;
}

function referenceStatistics(
  reference: FidReference,
  statisticsOf: (pictures: readonly Judged[]) => Promise<FeatureStatistics>,
): Promise<FeatureStatistics> {
  return reference.kind === "statistics" ? readStatistics(reference.file) : statisticsOf(reference.pictures);
}

function requireFinite(name: string, scores: readonly number[]): void {
  const bad = scores.find((score) => !Number.isFinite(score));
  if (bad !== undefined)
    throw new InputError(`${name} gives ${bad}: its weights are damaged or of another architecture`);
}
