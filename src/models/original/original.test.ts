import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { z } from "zod";
import {
  digestOf,
  namesOf,
  type OriginalName,
  originalFamilies,
  originalTensors,
  readManifest,
  shapesOnly,
  valuesOf,
} from "../../testing/models/original.js";
import { refuses } from "../../testing/models/support.js";
import { temporaryFolder } from "../../testing/weights/support.js";
import { openSafetensors, writeSafetensors } from "../../weights/safetensors.js";
import { shapeOf, type WeightSource } from "../../weights/source.js";
import { autoencoderConfigSchema } from "../autoencoder-kl.js";
import { clipTextConfigSchema } from "../clip-text.js";
import { mmditConfigSchema } from "../mmdit.js";
import { t5ConfigSchema } from "../t5-encoder.js";
import { unetConfigSchema } from "../unet-config.js";
import { originalAutoencoder } from "./autoencoder-kl.js";
import { originalMmdit } from "./mmdit.js";
import { type OriginalNetwork, subtree, withoutUnusedKeys } from "./network.js";
import { originalClipText, originalT5 } from "./text-encoders.js";
import { originalUnet } from "./unet.js";

type Reader = (source: WeightSource) => OriginalNetwork;
const at = (prefix: string, read: Reader): Reader => {
  return (source) => read(subtree(source, prefix, "part"));
};

const unet = (heads: { count: number } | { width: number }, sampleSize: number) =>
  at("model.diffusion_model.", (source) => originalUnet(source, { sampleSize, heads }));
const vae = (scaling_factor: number, shift_factor: number | null) =>
  at("first_stage_model.", (source) => originalAutoencoder(source, { scaling_factor, shift_factor }));
const clip = (prefix: string, activation: "quick_gelu" | "gelu", identityProjection = false) =>
  at(prefix, (source) => originalClipText(source, { activation, identityProjection }));

const sd3: Readonly<Record<string, Reader>> = {
  transformer: at("model.diffusion_model.", (source) => originalMmdit(source, 128)),
  vae: vae(1.5305, 0.0609),
  text_encoder: clip("text_encoders.clip_l.transformer.", "quick_gelu", true),
  text_encoder_2: clip("text_encoders.clip_g.transformer.", "gelu"),
  text_encoder_3: at("text_encoders.t5xxl.transformer.", originalT5),
};

const readers: Record<OriginalName, Readonly<Record<string, Reader>>> = {
  sd15: {
    unet: unet({ count: 8 }, 64),
    vae: vae(0.18215, null),
    text_encoder: clip("cond_stage_model.transformer.", "quick_gelu"),
  },
  sdxl: {
    unet: unet({ width: 64 }, 128),
    vae: vae(0.13025, null),
    text_encoder: clip("conditioner.embedders.0.transformer.", "quick_gelu"),
    text_encoder_2: clip("conditioner.embedders.1.model.", "gelu"),
  },
  sd3,
  sd35: sd3,
};

/** Configuration schema of each network. */
const schemas: Readonly<Record<string, z.ZodType>> = {
  unet: unetConfigSchema,
  transformer: mmditConfigSchema,
  vae: autoencoderConfigSchema,
  text_encoder: clipTextConfigSchema,
  text_encoder_2: clipTextConfigSchema,
  text_encoder_3: t5ConfigSchema,
};

/** Settings of a configuration, in which null, false and absent are equal. */
function settings(schema: z.ZodType, config: unknown): unknown {
  const { _diffusers_version: _, ...parsed } = schema.parse(config) as Record<string, unknown>;
  return Object.fromEntries(Object.entries(parsed).filter(([, value]) => value != null && value !== false));
}

/** Keys inside networks that they ignore. */
const ignored = /position_ids$|^encoder\.embed_tokens\.weight$/;

describe("original checkpoints match diffusers' converters bit for bit", () => {
  const path = temporaryFolder();
  for (const family of originalFamilies) {
    for (const dtype of ["float32", "float16"] as const) {
      it(`${family} in ${dtype}`, async () => {
        const manifest = readManifest(family);
        const file = path(`${family}-${dtype}.safetensors`);
        await writeSafetensors(file, originalTensors(manifest, dtype));
        const source = withoutUnusedKeys(await openSafetensors(file));
        for (const [component, { config, tensors }] of Object.entries(manifest.components)) {
          const { weights, config: inferred } = readers[family][component](source);
          const names = namesOf(weights).filter((name) => !ignored.test(name));
          assert.deepEqual(names, Object.keys(tensors).sort(), component);
          for (const [name, [shape, digest]] of Object.entries(tensors)) {
            const values = await valuesOf(weights, name);
            assert.deepEqual([values.shape, shapeOf(weights, name)], [shape, shape], `${component} ${name}`);
            assert.equal(digestOf(values), digest, `${component} ${name}`);
          }
          const schema = schemas[component];
          assert.deepEqual(settings(schema, inferred), settings(schema, config), component);
        }
      });
    }
  }
});

describe("networks of original checkpoints reject", () => {
  const { original } = readManifest("sd3");
  const changed = (changes: Readonly<Record<string, readonly number[] | null>>) => {
    const shapes = Object.entries({ ...original, ...changes }).filter((entry) => entry[1] !== null);
    return shapesOnly(Object.fromEntries(shapes) as Record<string, readonly number[]>);
  };
  const denoiser = "model.diffusion_model.";
  const refusesTransformer = (changes: Parameters<typeof changed>[0], message: RegExp) =>
    refuses(() => sd3.transformer(changed(changes)), message);

  it("fused rows that cannot be split", () => {
    refusesTransformer(
      { [`${denoiser}joint_blocks.0.x_block.attn.qkv.weight`]: [383, 128] },
      /x_block\.attn\.qkv\.weight has shape \[383,128\], which is not 3 equal parts of rows/,
    );
  });
  it("halves that cannot be swapped", () => {
    refusesTransformer(
      { [`${denoiser}final_layer.adaLN_modulation.1.bias`]: [] },
      /adaLN_modulation\.1\.bias has shape \[\], which is not two halves of rows/,
    );
  });
  it("a kernel of more than one pixel in the autoencoder's attention", () => {
    refuses(
      () => sd3.vae(changed({ "first_stage_model.decoder.mid.attn_1.q.weight": [64, 64, 3, 3] })),
      /attn_1\.q\.weight has shape \[64,64,3,3\], which is not a matrix/,
    );
  });
  it("a position table that is not square", () => {
    refusesTransformer({ [`${denoiser}pos_embed`]: [1, 143, 128] }, /a table of 143 positions is not square/);
  });
  it("a width that is not a multiple of the heads", () => {
    refusesTransformer(
      { [`${denoiser}x_embedder.proj.weight`]: [100, 16, 2, 2] },
      /100 is not a multiple of .* heads of 64/,
    );
  });
  it("a missing tensor", () => {
    refusesTransformer({ [`${denoiser}context_embedder.weight`]: null }, /context_embedder\.weight is missing/);
    refusesTransformer({ [`${denoiser}context_embedder.weight`]: [3] }, /context_embedder\.weight has 1 axes, not 2/);
  });
  it("keys under both old and new names, as unused", () => {
    const { weights } = sd3.vae(changed({ "first_stage_model.encoder.conv_norm_out.bias": [64] }));
    assert.ok(weights.tensors.has("encoder.norm_out.bias"));
  });
});

it("reads text encoders with the key names of transformers before 4.3", () => {
  const { original, components } = readManifest("sd15");
  const renamed = Object.entries(original).map(([name, shape]) => [name.replace(".text_model.", "."), shape]);
  const { weights } = readers.sd15.text_encoder(shapesOnly(Object.fromEntries(renamed)));
  assert.deepEqual(namesOf(weights), Object.keys(components.text_encoder.tensors).sort());
});
