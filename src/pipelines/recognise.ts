/** @file Which family a single file belongs to, by its keys; what else it may be is said in words. */

import { InputError } from "../core/errors.js";
import { hasBelow } from "../models/original/network.js";
import { shapeOf, type WeightSource } from "../weights/source.js";
import type { OriginalFamilyName } from "./original-families.js";

const denoiser = "model.diffusion_model.";

/** The family of the checkpoint `source`; anything else is refused in words that name what it is. */
export function recognise(source: WeightSource): OriginalFamilyName {
  const found = hasBelow(source, denoiser) ? checkpointKind(source) : otherKind(source);
  if (typeof found === "string") return found;
  throw new InputError(
    `${source.origin} is ${found.not}; a model is a diffusers folder, or a whole checkpoint of Stable Diffusion 1.5, XL or 3`,
  );
}

/** What a file is that cannot be opened. */
interface Other {
  readonly not: string;
}

function checkpointKind(source: WeightSource): OriginalFamilyName | Other {
  const has = (prefix: string) => hasBelow(source, prefix);
  if (has(`${denoiser}joint_blocks.`)) return "sd3";
  if (has(`${denoiser}double_blocks.`)) return { not: "a Flux model" };
  if (!has(`${denoiser}input_blocks.`)) return unknown(source);
  if (has("control_model.")) return { not: "a checkpoint with a ControlNet inside" };
  if (keyWith(source, /\.(?:time_stack|time_mixer|motion_modules)\./)) return { not: "a video model" };
  const channels = shapeOf(source, `${denoiser}input_blocks.0.0.weight`)?.[1];
  if (channels === 9) return { not: "an inpainting model (its UNet reads a mask too: 9 input channels)" };
  if (channels === 8) return { not: "an image-editing model (its UNet reads an image too: 8 input channels)" };
  if (channels !== 4) return { not: `a model whose UNet has ${channels ?? "no"} input channels, not 4` };
  if (keyWith(source, /^edm_/)) return { not: "a model of the EDM formulation, such as Playground 2.5" };
  if (has("conditioner.embedders.0.model.")) return { not: "Stable Diffusion XL's refiner" };
  if (has(`${denoiser}label_emb.`)) return "sdxl";
  const crossWidth = shapeOf(source, `${denoiser}middle_block.1.transformer_blocks.0.attn2.to_k.weight`)?.[1];
  if (has("cond_stage_model.model.") || crossWidth === 1024) {
    return { not: "a Stable Diffusion 2 model (text 1024 wide)" };
  }
  return "sd15";
}

/** What other files are, by keys; the first that fits. */
const others: readonly (readonly [keys: RegExp, kind: string])[] = [
  [/(?:^|[._])(?:lora|hada|lokr|oft)(?:[._]|$)/i, "a LoRA, which changes a model and is none"],
  [/^(?:|tokens|t_tokens|t_offsets\.weight)$/, "a file of soft tokens, which is for `tokens`"],
  [
    /^(?:emb_params|clip_[lg]|string_to_param.*)$/,
    "an embedding (textual inversion), which adds words and is no model",
  ],
  [/^(?:control_model|controlnet_\w+|input_hint_block)\./, "a ControlNet"],
  [/^double_blocks\./, "a Flux model"],
  [/^joint_blocks\./, "a Stable Diffusion 3 transformer alone, without its autoencoder"],
  [/^input_blocks\./, "a UNet alone, without its autoencoder"],
  [/^(?:first_stage_model\.|(?:encoder\.down|decoder\.up)\.\d)/, "an autoencoder alone"],
  [
    /^(?:(?:encoder|decoder)\.)?(?:(?:down|up)_blocks|mid_block|transformer_blocks)\./,
    "one network of a diffusers folder (name the folder that has model_index.json)",
  ],
  [
    /^(?:text_model|transformer\.(?:resblocks|text_model)|encoder\.block|cond_stage_model|conditioner|text_encoders)\./,
    "a text encoder alone",
  ],
];

function otherKind(source: WeightSource): Other {
  const kind = others.find(([keys]) => keyWith(source, keys));
  return kind === undefined ? unknown(source) : { not: kind[1] };
}

function keyWith(source: WeightSource, pattern: RegExp): boolean {
  for (const name of source.tensors.keys()) if (pattern.test(name)) return true;
  return false;
}

function unknown({ tensors }: WeightSource): Other {
  const [first] = tensors.keys();
  if (first === undefined) return { not: "a file without tensors" };
  return { not: `no model that is known here (of ${tensors.size} tensors the first is ${JSON.stringify(first)})` };
}
