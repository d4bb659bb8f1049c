/** @file Opening the metrics whose weights are there; the others are named, with what they need. */

import { InputError } from "../../core/errors.js";
import type { Engine } from "../../runtime/engine.js";
import { FeatureCache, fingerprint } from "./feature-cache.js";
import { findWeights } from "./find-weights.js";
import type { MetricDefinition, OpenedMetric } from "./metric.js";
import { type MetricName, metricDefinitions } from "./registry.js";

export interface OpenMetricsOptions {
  /** Where the authors' files lie; networks cannot be opened without. */
  readonly weights: string | undefined;
  readonly names: readonly MetricName[];
  /** Where features are kept; null keeps none. */
  readonly cache: string | null;
}

/** A metric that does not run, and why. */
export interface NotRun {
  readonly name: string;
  readonly reason: string;
}

export interface OpenedMetrics {
  readonly opened: readonly OpenedMetric[];
  readonly notRun: readonly NotRun[];
}

/** A file that does not fit is a reason, not an error; its names and shapes are all that is checked here. */
export async function openMetrics(engine: Engine, options: OpenMetricsOptions): Promise<OpenedMetrics> {
  const opened: OpenedMetric[] = [];
  const notRun: NotRun[] = [];
  const wanted: MetricDefinition[] = options.names.flatMap((name) =>
    metricDefinitions.filter((metric) => metric.name === name),
  );
  const found = await findWeights(options.weights, wanted);
  for (const [index, metric] of wanted.entries()) {
    const { name } = metric;
    const weights = found[index] ?? { files: {} };
    if ("missing" in weights) {
      notRun.push({ name, reason: weights.missing });
      continue;
    }
    const cacheOf = async (...files: readonly string[]) =>
      FeatureCache.open(options.cache, `${name.toLowerCase()}-${await fingerprint(...files)}`);
    try {
      opened.push(await metric.open({ files: weights.files, engine, cacheOf }));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      notRun.push({ name, reason: error.message });
    }
  }
  return { opened, notRun };
}
