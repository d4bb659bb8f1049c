/** @file `softrepa/training`: the parts of a training run, for custom training loops and objectives. */

export type { Augmentation } from "../data/augmentation.js";
export { type CaptionedImage, type ImageSource, imageFile } from "../data/captioned-image.js";
export { type DataSet, openDataSet } from "../data/data-set.js";
export type { Fault, FaultKind, ReportFault } from "../data/finding.js";
export { type LoadImageOptions, loadImage, type View } from "../data/load-image.js";
export { type ImagePool, mixPools, type WeightedImages } from "../data/mixture.js";
export { encodePng, readPngText, savePng } from "../data/png.js";
export { type CandidateRow, type Candidates, inBatch, matchedCaption } from "../objectives/candidates.js";
export { defaultPlan, type ExecutionPlan, executionPlan } from "../objectives/execution-plan.js";
export { objectives } from "../objectives/index.js";
export type { Objective, RowLoss, RowPredictions } from "../objectives/objective.js";
export {
  compilePairErrors,
  type PairErrorFeeds,
  type PairErrorOptions,
  type PairErrorResults,
  type PairErrors,
} from "../objectives/pair-errors.js";
export type { PairFeeds, PairOptions } from "../objectives/pair-predictions.js";
export { scoreMatching } from "../objectives/score-matching.js";
export { type SoftRepaSettings, softRepa } from "../objectives/softrepa.js";
export type { PromptCache } from "../pipelines/prompt-cache.js";
export type { CompleteSpec } from "../runs/complete-spec.js";
export { readConfigFile } from "../runs/config/read-config.js";
export type { Comparison, Cost } from "../runs/estimate.js";
export { type Checkpoint, type Fingerprints, readCheckpoint, writeCheckpoint } from "../runs/folder/checkpoint.js";
export type { Manifest } from "../runs/folder/manifest.js";
export { type BestBy, type KeepRule, RunFolder, type StoredCheckpoint } from "../runs/folder/run-folder.js";
export type { RunRequest } from "../runs/prepare.js";
export { type RunSpec, type RunSpecInput, runSpec } from "../runs/run-spec.js";
export { type StartRequest, startRun } from "../runs/start-run.js";
export type { WeightedPath } from "../runs/weighted-path.js";
export { type GenerateRequest, generate, type ImageJob, type JobImage } from "../sampling/generate.js";
export {
  compileGuidedDenoiser,
  type GuidedDenoiser,
  type GuidedDenoiserFeeds,
  type GuidedDenoiserOptions,
} from "../sampling/guided-denoiser.js";
export { type Predict, type RunStepsOptions, runSteps } from "../sampling/run-steps.js";
export {
  type PredictorTexts,
  type SampleFeeds,
  type SampleRequest,
  Sampler,
  type SamplerOptions,
  sampleLatents,
} from "../sampling/sample.js";
export type { SamplerRequest, SamplingCacheOptions } from "../sampling/sampling-cache.js";
export {
  addNoise,
  type DrawNoise,
  type EstimateWeights,
  type Evaluation,
  estimate,
  firstOrderStep,
  flowMatchEuler,
  type NoiseLevel,
  type NoiseSchedule,
  type NoisySample,
  noisySample,
  type Parametrisation,
  type PredictionType,
  parametrisations,
  type RunState,
  type Scheduler,
  type SchedulerRun,
  type SignalToNoise,
  type StartOptions,
} from "../schedulers/index.js";
export { SoftTokenEmbedding, type SoftTokenGradients } from "../softtokens/embedding.js";
export type { FormatName } from "../softtokens/formats/index.js";
export {
  createSoftTokens,
  type InitialTokenOptions,
  initialSoftTokens,
} from "../softtokens/initial.js";
export { type Placement, requireFit, type SoftTokenDimensions } from "../softtokens/softtokens.js";
export type { AdamWState } from "../training/adamw.js";
export { BatchSampler, type BatchSettings, type SamplerState, type TrainingPair } from "../training/batches.js";
export {
  LatentsCache,
  type LatentsCacheSettings,
  latentsCacheBytes,
} from "../training/latents-cache/latents-cache.js";
export type { FittedRun } from "../training/plan/fit.js";
export type { MemoryPlan } from "../training/plan/memory.js";
export type { Throughput } from "../training/throughput.js";
export { type TrainHooks, type TrainRequest, type TrainSettings, type TrainStep, train } from "../training/train.js";
export type { TrainingState } from "../training/training-state.js";
export {
  type StepRow,
  type StepSizes,
  type TrainingBatch,
  type TrainingResult,
  TrainingStep,
} from "../training/training-step.js";
export {
  type BucketErrors,
  type ValidateOptions,
  Validation,
  type ValidationResult,
  type ValidationSettings,
} from "../training/validation.js";
