/** @file Evaluation runs: images in, scores and a report out. */

export { type GenerateVariantsOptions, generateVariants, type VariantPrompt } from "./generate-variants.js";
export { readGenEval } from "./geneval.js";
export { type ImageSet, readImageSet, requireSamePrompts, type VariantImage, variantNames } from "./image-set.js";
export { joinRuns, type NamedRun, readRun } from "./join-runs.js";
export { type CaptionedPairs, informationOfPairs, loadPairs, similarityOfPairs } from "./pair-sections.js";
export { type ListedPrompt, readPromptList } from "./prompt-list.js";
export { type FidReference, type RunMetricsOptions, runMetrics } from "./run-metrics.js";
export { type EvaluationScores, readScores, writeScores } from "./scores.js";
export { compareScores, scoresReport } from "./scores-report.js";
