import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";

const measuredSchema = z.object({ estimated: z.number(), measured: z.number() });

const folder = await mkdtemp(join(tmpdir(), "softrepa-plan-"));
after(() => rm(folder, { recursive: true, force: true }));

const transformer = {
  ...{ _class_name: "SD3Transformer2DModel", sample_size: 64, patch_size: 2, in_channels: 16, out_channels: 16 },
  ...{ num_layers: 4, attention_head_dim: 64, num_attention_heads: 4, joint_attention_dim: 256 },
  ...{ caption_projection_dim: 256, pooled_projection_dim: 128, pos_embed_max_size: 96 },
  ...{ dual_attention_layers: [], qk_norm: null },
};

const unet = {
  ...{ _class_name: "UNet2DConditionModel", sample_size: 64, in_channels: 4, out_channels: 4, layers_per_block: 1 },
  ...{ block_out_channels: [32, 64], cross_attention_dim: 64, attention_head_dim: 4, act_fn: "silu" },
  down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
  ...{ norm_num_groups: 32, norm_eps: 1e-5, flip_sin_to_cos: true, freq_shift: 0 },
};

const wide = { ...unet, block_out_channels: [256, 512] };

const cases = {
  transformer: { config: transformer, pairs: 4, side: 32, softTokens: [4, 4, 256] },
  unet: { config: unet, pairs: 4, side: 32, softTokens: [1, 4, 64] },
  "wide unet": { config: wide, pairs: 1, side: 8, softTokens: [1, 4, 64] },
} as const;

/** The estimated and measured memory of one training graph, in a separate process. */
async function measure(
  name: keyof typeof cases,
  options: { gradients: boolean; hiddenShapes: boolean; checkpoints: boolean; repackWeights?: boolean },
) {
  const main = fileURLToPath(new URL("../../testing/training/measure-main.js", import.meta.url));
  const request = JSON.stringify({ folder, ...cases[name], repackWeights: false, ...options });
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", main, request], { timeout: 600_000 });
  return measuredSchema.parse(JSON.parse(stdout));
}

describe("the estimated memory of a graph", { skip: process.platform !== "linux" && "measured through /proc" }, () => {
  for (const name of ["transformer", "unet"] as const) {
    for (const checkpoints of [true, false]) {
      it(`agrees with the measured one: ${name}${checkpoints ? ", activation checkpointing" : ""}`, async () => {
        const { estimated, measured } = await measure(name, { gradients: true, hiddenShapes: true, checkpoints });
        assert.ok(
          measured > 0.6 * estimated && measured < 1.3 * estimated,
          `${name}: ${estimated} estimated, ${measured} measured`,
        );
      });
    }
  }
  it("includes copies of weights", async () => {
    const options = { gradients: true, hiddenShapes: true, checkpoints: false } as const;
    const { estimated, measured } = await measure("wide unet", { ...options, repackWeights: true });
    assert.ok(measured > 0.6 * estimated && measured < 1.3 * estimated, `${estimated} estimated, ${measured} measured`);
    const { measured: without } = await measure("wide unet", options);
    assert.ok(measured > 2 * without, `${measured} with copies, ${without} without`);
  });
  it("is much larger if shapes are known", async () => {
    const hidden = await measure("unet", { gradients: true, hiddenShapes: true, checkpoints: true });
    const known = await measure("unet", { gradients: true, hiddenShapes: false, checkpoints: true });
    assert.ok(
      known.measured > 1.3 * hidden.measured,
      `${known.measured} with known shapes, ${hidden.measured} without`,
    );
  });
});
