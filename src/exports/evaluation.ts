/** @file `softrepa/evaluation`: metrics of images and prompts, denoising errors as a score, mutual information, paired comparisons. */

export type { LogSnrNode } from "../evaluation/log-snr-nodes.js";
export { type FeatureStatistics, featureStatistics, frechetDistance } from "../evaluation/metrics/frechet.js";
export type {
  EvaluatedImage,
  MetricBase,
  OpenedMetric,
  PairMetric,
  PromptMetric,
  SetMetric,
  Verdict,
  VerdictMetric,
} from "../evaluation/metrics/metric.js";
export { readStatistics, writeStatistics } from "../evaluation/metrics/npz.js";
export {
  type NotRun,
  type OpenedMetrics,
  type OpenMetricsOptions,
  openMetrics,
} from "../evaluation/metrics/open-metrics.js";
export { type MetricName, metricNames } from "../evaluation/metrics/registry.js";
export type { RunHooks } from "../evaluation/metrics/run-graph.js";
export type { SquareMatrix } from "../evaluation/metrics/symmetric.js";
export {
  type CurvePoint,
  type Information,
  type InformationGain,
  information,
  informationGain,
  type MeanOfPairs,
  type MutualInformationRequest,
  measureInformation,
} from "../evaluation/mutual-information.js";
export type { NoiseErrorOptions, NoiseErrors, TokenSetting } from "../evaluation/noise-errors.js";
export type { PairedComparison } from "../evaluation/paired-comparison.js";
export type { Report } from "../evaluation/report/schema.js";
export { leastMatched, type MatchedPair, type RankShare, type Retrieval, retrieval } from "../evaluation/retrieval.js";
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
export type { NamedRun } from "../evaluation/run/join-runs.js";
export type { ListedPrompt } from "../evaluation/run/prompt-list.js";
export type { FidReference, RunMetricsOptions } from "../evaluation/run/run-metrics.js";
export type { ScoresReportOptions } from "../evaluation/run/scores-report.js";
export { rank1, type ScoreRequest, type Scores, score } from "../evaluation/score.js";
