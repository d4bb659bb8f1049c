/** @file Every metric on every variant's images. One that cannot run is named with its reason, and the others go on. */

import { basename, relative } from "node:path";
import { InputError, throwIfAborted, unreachable } from "../../core/errors.js";
import { at } from "../../core/lists.js";
import { fidSmallSet } from "../metrics/fid.js";
import { type FeatureStatistics, featureStatistics, frechetDistance } from "../metrics/frechet.js";
import type { EvaluatedImage, OpenedMetric, SetMetric } from "../metrics/metric.js";
import { readStatistics, writeStatistics } from "../metrics/npz.js";
import type { NotRun, OpenedMetrics } from "../metrics/open-metrics.js";
import type { RunHooks } from "../metrics/run-graph.js";
import { type ImageSet, imageKey, imagePlace, noCategory, type VariantImage } from "./image-set.js";
import type { EvaluationScores, ScoredMetric, SetScore } from "./scores.js";

/** What FID compares with: images, or their statistics in a file. */
export type FidReference =
  | { readonly kind: "statistics"; readonly file: string }
  | { readonly kind: "images"; readonly name: string; readonly images: readonly EvaluatedImage[] };

export interface RunMetricsOptions {
  /** Image files are named from here. */
  readonly folder: string;
  readonly metrics: OpenedMetrics;
  readonly reference?: FidReference | null;
  /** Where to write the statistics of the last variant's features, for later runs to compare with. */
  readonly saveStatistics?: string | null;
  readonly signal?: AbortSignal;
  readonly onProgress?: (metric: string, done: number, total: number) => void;
}

/** An image's line of the result, which metrics fill in. */
interface Row {
  readonly image: VariantImage;
  readonly scores: Record<string, number>;
  category: string | undefined;
  reason: string;
}

interface Table {
  /** Of each variant. */
  readonly variants: readonly { readonly name: string; readonly rows: readonly Row[] }[];
  readonly metrics: ScoredMetric[];
  readonly sets: SetScore[];
}

export async function runMetrics(variants: readonly ImageSet[], options: RunMetricsOptions): Promise<EvaluationScores> {
  const { folder, metrics, signal, onProgress } = options;
  const table: Table = {
    variants: variants.map(({ name, images }) => ({
      name,
      rows: images.map((image) => ({ image, scores: {}, category: image.category, reason: "" })),
    })),
    metrics: [],
    sets: [],
  };
  const notRun: NotRun[] = [...metrics.notRun];
  for (const metric of metrics.opened) {
    throwIfAborted(signal);
    const { name } = metric;
    const hooks = {
      ...(signal && { signal }),
      onProgress: (done: number, total: number) => onProgress?.(name, done, total),
    };
    try {
      await run(metric, table, options, hooks);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      notRun.push({ name, reason: error.message });
    } finally {
      // What was computed until an interruption is kept.
      await metric.save();
      await metric.release();
    }
  }
  return {
    format: "softrepa-scores",
    formatVersion: 1,
    metrics: table.metrics,
    variants: table.variants.map(({ name, rows }) => ({
      name,
      images: rows.map(({ image: { file, prompt, seed }, category = noCategory, scores, reason }) => ({
        file: relative(folder, file) || file,
        prompt,
        seed,
        category,
        scores,
        reason,
      })),
    })),
    sets: table.sets,
    notRun,
  };
}

async function run(metric: OpenedMetric, table: Table, options: RunMetricsOptions, hooks: RunHooks): Promise<void> {
  const { name, weights } = metric;
  const all = table.variants.flatMap(({ rows }) => rows);
  const images = all.map(({ image }) => image);
  switch (metric.kind) {
    case "verdict": {
      const verdicts = await metric.verdicts(images, hooks);
      if (verdicts.every((verdict) => verdict === null)) throw new InputError("no prompt asks what it can verify");
      table.metrics.push({ name, weights, kind: "verdict", better: "higher", of: "image" });
      for (const [index, row] of all.entries()) {
        const verdict = verdicts[index];
        if (!verdict) continue;
        row.scores[name] = verdict.correct ? 1 : 0;
        row.reason = verdict.reason;
        row.category ??= verdict.category;
      }
      return;
    }
    case "prompt": {
      const scores = finite(name, await metric.scores(images, hooks));
      table.metrics.push({ name, weights, kind: "number", better: "higher", of: "image" });
      for (const [index, row] of all.entries()) row.scores[name] = at(scores, index);
      return;
    }
    case "pair": {
      const pairs = pairsWithFirst(table);
      if (pairs.length === 0) throw new InputError("it compares the images of two variants, and there is one");
      const both = pairs.map(([first, second]) => [first.image, second.image] as const);
      const distances = finite(name, await metric.distances(both, hooks));
      table.metrics.push({ name, weights, kind: "number", better: "lower", of: "distance to the first variant" });
      for (const [index, [, row]] of pairs.entries()) row.scores[name] = at(distances, index);
      return;
    }
    case "set":
      table.sets.push(...(await setScores(metric, table, options, hooks)));
      return;
    default:
      return unreachable(metric);
  }
}

/** Each image of the further variants, after the first variant's of the same prompt and seed. */
function pairsWithFirst({ variants: [baseline, ...others] }: Table): (readonly [Row, Row])[] {
  const known = new Map(baseline?.rows.map((row) => [imageKey(row.image), row]));
  return others.flatMap(({ name, rows }) =>
    rows.map((row) => {
      const first = known.get(imageKey(row.image));
      if (first === undefined) {
        throw new InputError(`${name} has an image of ${imagePlace(row.image)}, ${baseline?.name} has none`);
      }
      return [first, row] as const;
    }),
  );
}

async function setScores(
  metric: SetMetric,
  { variants }: Table,
  { reference = null, saveStatistics = null }: RunMetricsOptions,
  hooks: RunHooks,
): Promise<SetScore[]> {
  if (reference === null && saveStatistics === null) {
    throw new InputError("give `reference` with real images, or with a statistics file of them (.npz)");
  }
  const statisticsOf = async (images: readonly EvaluatedImage[]): Promise<FeatureStatistics> =>
    featureStatistics(await metric.features(images, hooks));
  const real = reference && (await referenceStatistics(reference, statisticsOf));
  const scores: SetScore[] = [];
  for (const { name: variant, rows } of variants) {
    const statistics = await statisticsOf(rows.map(({ image }) => image));
    if (saveStatistics !== null && variant === variants.at(-1)?.name) await writeStatistics(saveStatistics, statistics);
    if (real === null || reference === null) continue;
    const count = rows.length;
    const few = Math.min(count, real.count ?? Number.POSITIVE_INFINITY);
    scores.push({
      metric: metric.name,
      variant,
      value: frechetDistance(statistics, real),
      images: count,
      reference:
        reference.kind === "statistics"
          ? basename(reference.file)
          : `${reference.name}, ${reference.images.length} images`,
      remark: few < fidSmallSet ? `from ${few} images; below ${fidSmallSet} FID is biased upwards and unstable` : "",
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
  statisticsOf: (images: readonly EvaluatedImage[]) => Promise<FeatureStatistics>,
): Promise<FeatureStatistics> {
  return reference.kind === "statistics" ? readStatistics(reference.file) : statisticsOf(reference.images);
}

function finite(name: string, scores: readonly number[]): readonly number[] {
  const bad = scores.find((score) => !Number.isFinite(score));
  if (bad === undefined) return scores;
  throw new InputError(`${name} gives ${bad}: its weights are damaged or of another architecture`);
}
