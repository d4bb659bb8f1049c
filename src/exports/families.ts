/** @file `softrepa/families`: the parts of pipelines, for custom model families. */

export type { Family, PaperSettings } from "../families/family.js";
export { builtInFamilies } from "../families/index.js";
export { type OpenPipelineOptions, openPipeline } from "../families/open.js";
export type { OriginalNetwork } from "../models/original/network.js";
export { openAutoencoderKl } from "../pipelines/autoencoder-kl.js";
export { openSingleClip, openTwoClips } from "../pipelines/clip-text-encoders.js";
export type { PromptEncoder } from "../pipelines/conditioning.js";
export type { FolderPart, PipelineFolder, TokenizerLocation } from "../pipelines/folder.js";
export type { EncodeOptions, ImageCodec } from "../pipelines/image-codec.js";
export type { LatentDenoiser, LatentPipelineParts } from "../pipelines/latent-pipeline.js";
export { mmditPipelineParts } from "../pipelines/mmdit-pipeline.js";
export type { PipelineFileOptions } from "../pipelines/open-options.js";
export type {
  BuiltGraph,
  Conditioning,
  Denoiser,
  DenoiserInputs,
  DiffusionPipeline,
  EncodedPrompts,
  FamilyDefaults,
  FamilyIdentity,
  PipelinePart,
  SoftTokenInput,
  SoftTokenLayout,
  SoftTokenSpec,
  UnetStage,
} from "../pipelines/pipeline.js";
export type { PipelineSource } from "../pipelines/pipeline-source.js";
export type { OriginalEncoder, OriginalPart, SingleFileLayout } from "../pipelines/single-file-layout.js";
export type { TextEncoders } from "../pipelines/text-encoders.js";
export { type UnetPipelineSpec, unetPipelineParts } from "../pipelines/unet-pipeline.js";
export type { DiffusionConfig } from "../schedulers/index.js";
