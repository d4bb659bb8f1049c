/** @file Evaluation runs: pictures in, scores and a report out. */

export { type DrawnPrompt, drawVariants } from "./draw-variants.js";
export { readGenEval } from "./geneval.js";
export { joinRuns, type NamedRun, readRun } from "./join-runs.js";
export { type FidReference, type MeasureOptions, measure } from "./measure.js";
export {
  type EvaluatedPicture,
  type PictureSet,
  readPictureSet,
  requireSamePrompts,
  variantNames,
} from "./picture-set.js";
export { type ListedPrompt, readPromptList } from "./prompt-list.js";
export { readScores, type Scores, writeScores } from "./scores.js";
export { compareScores, scoresReport } from "./scores-report.js";
