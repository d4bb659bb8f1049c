/** @file `softrepa/evaluation`: metrics of images and prompts, denoising errors as a score, mutual information, paired comparisons. */

export { type FeatureStatistics, featureStatistics, frechetDistance } from "../evaluation/metrics/frechet.js";
export type {
  EvaluatedImage,
  OpenedMetric,
  PairMetric,
  PromptMetric,
  SetMetric,
  Verdict,
  VerdictMetric,
} from "../evaluation/metrics/metric.js";
export { readStatistics, writeStatistics } from "../evaluation/metrics/npz.js";
export { type OpenedMetrics, openMetrics } from "../evaluation/metrics/open-metrics.js";
export { type MetricName, metricNames } from "../evaluation/metrics/registry.js";
export {
  type Information,
  type InformationGain,
  information,
  informationGain,
  type MutualInformationRequest,
  measureInformation,
} from "../evaluation/mutual-information.js";
export { leastMatched, type Retrieval, retrieval } from "../evaluation/retrieval.js";
export {
  compareScores,
  type EvaluationScores,
  type ImageSet,
  readImageSet,
  readRun,
  runMetrics,
  scoresReport,
  type VariantImage,
} from "../evaluation/run/index.js";
export { rank1, type ScoreRequest, type Scores, score } from "../evaluation/score.js";
