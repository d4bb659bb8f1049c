/** @file Recognises the family of a single file by its keys, and names other kinds of file in the error. */

import { InputError } from "../core/errors.js";
import { hasKeyLike, hasSubtree } from "../models/original/network.js";
import type { WeightSource } from "../weights/source.js";
import { hasUnet, isSd2, unsupportedUnet } from "./original-unets.js";
import type { SingleFileFamily, SingleFileLayout } from "./single-file-layout.js";
import { denoiserPrefix } from "./single-file-parts.js";

/** A family with single-file checkpoints. */
export interface RecognisedFamily extends SingleFileFamily {
  readonly singleFile: SingleFileLayout;
}

/** The first of `families` that matches the checkpoint `source`. Throws an InputError that names the kind of file otherwise. */
export function recognise(source: WeightSource, families: readonly SingleFileFamily[]): RecognisedFamily {
  const known = families.filter(hasSingleFiles);
  const found = known.find(({ singleFile }) => singleFile.matches(source));
  if (found !== undefined) return found;
  const titles = new Intl.ListFormat("en-GB", { type: "disjunction" }).format(known.map(({ title }) => title));
  throw new InputError(
    `${source.origin} is ${otherKind(source)}; a model is a diffusers folder, or a whole checkpoint of ${titles}`,
  );
}

function hasSingleFiles(family: SingleFileFamily): family is RecognisedFamily {
  return family.singleFile !== null;
}

/** Describes a file that cannot be opened. */
function otherKind(source: WeightSource): string {
  if (!hasSubtree(source, denoiserPrefix)) {
    return others.find(([keys]) => hasKeyLike(source, keys))?.[1] ?? unknown(source);
  }
  if (hasSubtree(source, `${denoiserPrefix}double_blocks.`)) return "a Flux model";
  if (!hasUnet(source)) return unknown(source);
  return unsupportedUnet(source) ?? (isSd2(source) ? "a Stable Diffusion 2 model (text 1024 wide)" : unknown(source));
}

/** Other kinds of file by key; the first match counts. */
const others: readonly (readonly [keys: RegExp, kind: string])[] = [
  [/(?:^|[._])(?:lora|hada|lokr|oft)(?:[._]|$)/i, "a LoRA, which modifies a model but is not one"],
  [/^(?:|tokens|t_tokens|t_offsets\.weight)$/, "a file of soft tokens, which is for `tokens`"],
  [/^(?:emb_params|clip_[lg]|string_to_param.*)$/, "an embedding (textual inversion), not a model"],
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

function unknown({ tensors }: WeightSource): string {
  const [first] = tensors.keys();
  if (first === undefined) return "a file without tensors";
  return `not a known model (${tensors.size} tensors, the first is ${JSON.stringify(first)})`;
}
