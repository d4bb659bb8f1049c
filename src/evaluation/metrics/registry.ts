/** @file Every metric, in the order of reports: a further one is its file and a line here. */

import { clipScore } from "./clip-score.js";
import { fid } from "./fid.js";
import { hps } from "./hps.js";
import { imageRewardMetric } from "./image-reward-metric.js";
import { lpipsMetric } from "./lpips-metric.js";
import { pickScore } from "./pick-score.js";
import { sceneAccuracy } from "./scene-accuracy.js";

export const metricDefinitions = [
  sceneAccuracy,
  clipScore,
  pickScore,
  hps,
  imageRewardMetric,
  fid,
  lpipsMetric,
] as const;

export type MetricName = (typeof metricDefinitions)[number]["name"];
export const metricNames: readonly MetricName[] = metricDefinitions.map(({ name }) => name);
