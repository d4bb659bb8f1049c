/** @file The bundled pipeline's configurations, as its folder states them. */

import { type AutoencoderConfig, autoencoderConfigSchema } from "#softrepa/models/autoencoder-kl.js";
import { type ClipTextConfig, clipTextConfigSchema } from "#softrepa/models/clip-text.js";
import { type MmditConfig, mmditConfigSchema } from "#softrepa/models/mmdit.js";
import { vocabulary } from "#softrepa/scenes/caption.js";
import { imageSize } from "#softrepa/scenes/scene.js";
import { endToken, learnBytePairs, startToken } from "./bpe.js";

/** Tokens of a prompt with its start and end: the longest captions have 14 words. */
export const promptLength = 16;

export const bytePairs = learnBytePairs(vocabulary);

/** Four pixels a latent: fine enough that a shape's corners need not be guessed. */
export const vaeJson = {
  _class_name: "AutoencoderKL",
  _diffusers_version: "0.32.2",
  act_fn: "silu",
  in_channels: 3,
  out_channels: 3,
  latent_channels: 4,
  down_block_types: Array(3).fill("DownEncoderBlock2D"),
  up_block_types: Array(3).fill("UpDecoderBlock2D"),
  block_out_channels: [16, 32, 64],
  layers_per_block: 1,
  norm_num_groups: 8,
  use_quant_conv: false,
  use_post_quant_conv: false,
  mid_block_add_attention: false,
  force_upcast: false,
  sample_size: imageSize,
};
export const autoencoderConfig: AutoencoderConfig = autoencoderConfigSchema.parse(vaeJson);

const clipJson = (width: number, layers: number) => ({
  architectures: ["CLIPTextModelWithProjection"],
  model_type: "clip_text_model",
  attention_dropout: 0,
  bos_token_id: bytePairs.vocab[startToken],
  eos_token_id: bytePairs.vocab[endToken],
  pad_token_id: bytePairs.vocab[endToken],
  hidden_act: "gelu",
  hidden_size: width,
  intermediate_size: 4 * width,
  layer_norm_eps: 1e-5,
  max_position_embeddings: promptLength,
  num_attention_heads: width / 32,
  num_hidden_layers: layers,
  projection_dim: width,
  vocab_size: Object.keys(bytePairs.vocab).length,
});
/** Stable Diffusion 3 reads the states before the last layer, so of these layers it sees one and two. */
export const clipJsons = [clipJson(96, 2), clipJson(160, 3)] as const;
export const clipConfigs: readonly [ClipTextConfig, ClipTextConfig] = [
  clipTextConfigSchema.parse(clipJsons[0]),
  clipTextConfigSchema.parse(clipJsons[1]),
];
/** Width of both encoders' states side by side, and of their pooled texts. */
export const textWidth = clipConfigs[0].hidden_size + clipConfigs[1].hidden_size;

const width = 192;
export const transformerJson = {
  _class_name: "SD3Transformer2DModel",
  _diffusers_version: "0.32.2",
  sample_size: imageSize / 4,
  patch_size: 2,
  in_channels: 4,
  out_channels: 4,
  num_layers: 6,
  attention_head_dim: 48,
  num_attention_heads: 4,
  joint_attention_dim: textWidth,
  caption_projection_dim: width,
  pooled_projection_dim: textWidth,
  pos_embed_max_size: imageSize / 8,
  dual_attention_layers: [],
  qk_norm: "rms_norm",
};
export const transformerConfig: MmditConfig = mmditConfigSchema.parse(transformerJson);

export const schedulerJson = {
  _class_name: "FlowMatchEulerDiscreteScheduler",
  _diffusers_version: "0.32.2",
  num_train_timesteps: 1000,
  shift: 1,
  use_dynamic_shifting: false,
};

export const tokenizerJson = {
  tokenizer_class: "CLIPTokenizer",
  model_max_length: promptLength,
  bos_token: startToken,
  eos_token: endToken,
  unk_token: endToken,
  pad_token: endToken,
  errors: "replace",
  clean_up_tokenization_spaces: false,
};

export const modelIndexJson = {
  _class_name: "StableDiffusion3Pipeline",
  _diffusers_version: "0.32.2",
  feature_extractor: [null, null],
  image_encoder: [null, null],
  scheduler: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
  text_encoder: ["transformers", "CLIPTextModelWithProjection"],
  text_encoder_2: ["transformers", "CLIPTextModelWithProjection"],
  text_encoder_3: [null, null],
  tokenizer: ["transformers", "CLIPTokenizer"],
  tokenizer_2: ["transformers", "CLIPTokenizer"],
  tokenizer_3: [null, null],
  transformer: ["diffusers", "SD3Transformer2DModel"],
  vae: ["diffusers", "AutoencoderKL"],
};
