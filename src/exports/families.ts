/** @file `softrepa/families`: the parts of pipelines, and what a model family of your own is made of. */

export type { Family, PaperSettings } from "../families/family.js";
export { builtInFamilies } from "../families/index.js";
export { type OpenPipelineOptions, openPipeline } from "../families/open.js";
export { openAutoencoderKl } from "../pipelines/autoencoder-kl.js";
export { openSingleClip, openTwoClips } from "../pipelines/clip-text-encoders.js";
export type { ImageCodec } from "../pipelines/image-codec.js";
export type { LatentDenoiser, LatentPipelineParts } from "../pipelines/latent-pipeline.js";
export { mmditPipelineParts } from "../pipelines/mmdit-pipeline.js";
export type {
  Conditioning,
  Denoiser,
  DiffusionPipeline,
  FamilyDefaults,
  SoftTokenLayout,
} from "../pipelines/pipeline.js";
export type { PipelineSource } from "../pipelines/pipeline-source.js";
export type { SingleFileLayout } from "../pipelines/single-file-layout.js";
export type { TextEncoders } from "../pipelines/text-encoders.js";
export { type UnetPipelineSpec, unetPipelineParts } from "../pipelines/unet-pipeline.js";
