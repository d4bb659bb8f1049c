/** @file The fixtures' small CLIP under open_clip's names, as HPSv2.1 is published; it has no tests of its own. */

import { join } from "node:path";
import { type FloatTensor, floatTensor, type Tensor } from "../../core/tensor.js";
import { openSafetensors, readTensor, writeSafetensors } from "../../weights/safetensors.js";

export const parityFolder = join(process.cwd(), "test", "fixtures", "parity", "eval");
export const smallClip = join(parityFolder, "clip");

/** Writes it to `file`. */
export async function writeOpenClip(file: string): Promise<void> {
  const { tensors } = await openSafetensors(join(smallClip, "model.safetensors"));
  const read = async (name: string): Promise<FloatTensor> => {
    const stored = tensors.get(name);
    if (stored === undefined) throw new Error(`the fixture has no ${name}`);
    return readTensor(stored);
  };
  const written = new Map<string, Tensor>();
  const copy = async (to: string, from: string) => written.set(to, await read(from));
  for (const [to, from] of [
    ["visual.class_embedding", "vision_model.embeddings.class_embedding"],
    ["visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"],
    ["visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"],
    ["positional_embedding", "text_model.embeddings.position_embedding.weight"],
    ["token_embedding.weight", "text_model.embeddings.token_embedding.weight"],
    ["logit_scale", "logit_scale"],
  ] as const) {
    await copy(to, from);
  }
  for (const [to, from] of [
    ["visual.ln_pre", "vision_model.pre_layrnorm"],
    ["visual.ln_post", "vision_model.post_layernorm"],
    ["ln_final", "text_model.final_layer_norm"],
  ] as const) {
    for (const part of ["weight", "bias"]) await copy(`${to}.${part}`, `${from}.${part}`);
  }
  written.set("visual.proj", transposed(await read("visual_projection.weight")));
  written.set("text_projection", transposed(await read("text_projection.weight")));
  for (const [to, from] of [
    ["visual.transformer.resblocks", "vision_model.encoder.layers"],
    ["transformer.resblocks", "text_model.encoder.layers"],
  ] as const) {
    for (let layer = 0; tensors.has(`${from}.${layer}.mlp.fc1.weight`); layer++) {
      for (const part of ["weight", "bias"]) {
        for (const [toPart, fromPart] of [
          ["ln_1", "layer_norm1"],
          ["ln_2", "layer_norm2"],
          ["mlp.c_fc", "mlp.fc1"],
          ["mlp.c_proj", "mlp.fc2"],
          ["attn.out_proj", "self_attn.out_proj"],
        ] as const) {
          await copy(`${to}.${layer}.${toPart}.${part}`, `${from}.${layer}.${fromPart}.${part}`);
        }
        const parts = await Promise.all(
          ["q", "k", "v"].map((name) => read(`${from}.${layer}.self_attn.${name}_proj.${part}`)),
        );
        written.set(`${to}.${layer}.attn.in_proj_${part}`, stacked(parts));
      }
    }
  }
  await writeSafetensors(file, written);
}

function transposed({ shape: [rows, columns], data }: FloatTensor): FloatTensor {
  return floatTensor(
    [columns, rows],
    Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]),
  );
}

function stacked(parts: readonly FloatTensor[]): FloatTensor {
  const [rows, ...rest] = parts[0].shape;
  return floatTensor([rows * parts.length, ...rest], Float32Array.from(parts.flatMap(({ data }) => [...data])));
}
