/**
 * @file The library: open a pipeline, train soft text tokens, generate, score; and the graph engine underneath.
 *
 * ```ts
 * import { engineSelfTest, generate, openEngine, openPipeline, readSoftTokens } from "softrepa";
 *
 * const { engine } = await openEngine({}, engineSelfTest);
 * const pipeline = await openPipeline("stable-diffusion-3-medium-diffusers", engine);
 * const softTokens = await readSoftTokens("tokens.safetensors");
 * ```
 */

export { InputError, InterruptedError, RuntimeFailure, SoftrepaError, UsageError } from "./core/errors.js";
export { Generator } from "./core/random.js";
export {
  type DType,
  type FloatTensor,
  floatTensor,
  intTensor,
  type Shape,
  type Tensor,
  type TensorOf,
} from "./core/tensor.js";
export type { Augmentation } from "./data/augmentation.js";
export { type CaptionedImage, type ImageSource, imageFile } from "./data/captioned-image.js";
export { type DataSet, openDataSet } from "./data/data-set.js";
export type { Fault, FaultKind, ReportFault } from "./data/finding.js";
export { type LoadImageOptions, loadImage, type View } from "./data/load-image.js";
export { type ImagePool, mixPools, type WeightedImages } from "./data/mixture.js";
export { encodePng, readPngText, savePng } from "./data/png.js";
export { type MetricName, metricNames } from "./evaluation/metrics/find-weights.js";
export { type FeatureStatistics, featureStatistics, frechetDistance } from "./evaluation/metrics/frechet.js";
export type { Judged, OpenedMetric, PairMetric, PromptMetric, SetMetric } from "./evaluation/metrics/metric.js";
export { readStatistics, writeStatistics } from "./evaluation/metrics/npz.js";
export { type OpenedMetrics, openMetrics } from "./evaluation/metrics/open-metrics.js";
export {
  type Information,
  type InformationGain,
  information,
  informationGain,
  type MutualInformationRequest,
  measureInformation,
} from "./evaluation/mutual-information.js";
export { leastMatched, type Retrieval, retrieval } from "./evaluation/retrieval.js";
export {
  compareScores,
  measure,
  type PictureSet,
  readPictureSet,
  readRun,
  type Scores as PictureScores,
  scoresReport,
} from "./evaluation/run/index.js";
export { rank1, type ScoreRequest, type Scores, score } from "./evaluation/score.js";
export type { Family, PaperSettings } from "./families/family.js";
export { builtInFamilies } from "./families/index.js";
export { type OpenPipelineOptions, openPipeline } from "./families/open.js";
export { gradients, gradientsOfSum } from "./graph/autodiff.js";
export { GraphError } from "./graph/error.js";
export { Graph } from "./graph/graph.js";
export type { GraphBuilder, GraphNode, OperatorNode, Tap, TensorType, Value } from "./graph/ir.js";
export type { OnnxModel, Target } from "./graph/onnx/model.js";
export { writeOnnx } from "./graph/onnx/writer.js";
export * as ops from "./graph/ops.js";
export { formatGraph } from "./graph/print.js";
export { ReadTap } from "./graph/taps.js";
export { type CandidateRow, type Candidates, inBatch, ownCaption } from "./objectives/candidates.js";
export { defaultPlan, type ExecutionPlan, executionPlan } from "./objectives/execution-plan.js";
export { objectives } from "./objectives/index.js";
export type { Objective, RowLoss, RowPredictions } from "./objectives/objective.js";
export { compilePairErrors, type PairErrors } from "./objectives/pair-errors.js";
export { scoreMatching } from "./objectives/score-matching.js";
export { type SoftRepaSettings, softRepa } from "./objectives/softrepa.js";
export { openAutoencoderKl } from "./pipelines/autoencoder-kl.js";
export { openSingleClip, openTwoClips } from "./pipelines/clip-texts.js";
export type { ImageCodec } from "./pipelines/image-codec.js";
export type { LatentDenoiser, LatentPipelineParts } from "./pipelines/latent-pipeline.js";
export { mmditPipelineParts } from "./pipelines/mmdit-pipeline.js";
export type { OpenOptions } from "./pipelines/open-options.js";
export type {
  Conditioning,
  Denoiser,
  DiffusionPipeline,
  FamilyDefaults,
  SoftTokenLayout,
} from "./pipelines/pipeline.js";
export type { PipelineSource } from "./pipelines/pipeline-source.js";
export { engineSelfTest } from "./pipelines/self-test.js";
export type { SingleFileLayout } from "./pipelines/single-file-layout.js";
export type { TextEncoders } from "./pipelines/text-encoders.js";
export { type UnetPipelineSpec, unetPipelineParts } from "./pipelines/unet-pipeline.js";
export { readConfigFile } from "./runs/config/read-config.js";
export type { RunEvent } from "./runs/events.js";
export { type Checkpoint, readCheckpoint, writeCheckpoint } from "./runs/folder/checkpoint.js";
export { RunFolder } from "./runs/folder/run-folder.js";
export { type RunSpec, type RunSpecInput, runSpec } from "./runs/run-spec.js";
export { type Run, type StartRequest, startRun } from "./runs/start-run.js";
export {
  type Engine,
  type Library,
  libraries,
  type NamedTensors,
  type Precision,
  type Provider,
  precisions,
  providers,
  type Session,
} from "./runtime/engine.js";
export { OnnxRuntimeEngine } from "./runtime/onnxruntime/engine.js";
export { type EngineRequest, type OpenedEngine, openEngine } from "./runtime/open-engine.js";
export { OpenVinoEngine } from "./runtime/openvino/engine.js";
export { findOpenVino } from "./runtime/openvino/find-library.js";
export { type GeneratedImage, type GenerateRequest, generate, type ImageJob } from "./sampling/generate.js";
export {
  compileGuidedDenoiser,
  type GuidedDenoiser,
  type GuidedDenoiserFeeds,
  type GuidedDenoiserOptions,
} from "./sampling/guided-denoiser.js";
export {
  type ImageFileJob,
  type ImageFileRequest,
  type ImageFileSettings,
  writeImages,
} from "./sampling/image-files.js";
export { type Predict, type RunStepsOptions, runSteps } from "./sampling/run-steps.js";
export {
  type PredictorTexts,
  type SampleFeeds,
  type SampleRequest,
  Sampler,
  type SamplerOptions,
  sampleLatents,
} from "./sampling/sample.js";
export {
  addNoise,
  type DrawNoise,
  type Estimate,
  type Evaluation,
  estimated,
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
  type StartOptions,
} from "./schedulers/index.js";
export { SoftTokenEmbedding } from "./softtokens/embedding.js";
export { type FormatName, readSoftTokens, writeSoftTokens } from "./softtokens/formats/index.js";
export { createSoftTokens, initialSoftTokens, type SoftTokenSizes } from "./softtokens/initial.js";
export { requireFit, type SoftTokens } from "./softtokens/softtokens.js";
export { BatchSampler, type BatchSettings, type SamplerState, type TrainingPair } from "./training/batches.js";
export {
  LatentsCache,
  type LatentsCacheSettings,
  latentsCacheBytes,
} from "./training/latents-cache/latents-cache.js";
export { type TrainHooks, type TrainOptions, type TrainSettings, type TrainStep, train } from "./training/train.js";
export type { TrainingState } from "./training/training-state.js";
export {
  type StepRow,
  type StepSizes,
  type TrainingBatch,
  type TrainingResult,
  TrainingStep,
} from "./training/training-step.js";
export { Validation, type ValidationResult } from "./training/validation.js";
export { openCheckpoint } from "./weights/checkpoint.js";
export { openSafetensors, readTensor, writeSafetensors } from "./weights/safetensors.js";
export type { StoredTensor, WeightSource } from "./weights/source.js";
