import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { concatRows, type FloatTensor, floatTensor, rows } from "../core/tensor.js";
import { countFlops } from "../graph/flops.js";
import { Graph } from "../graph/graph.js";
import type { Value } from "../graph/ir.js";
import { input } from "../graph/ops.js";
import { unetStages } from "../pipelines/pipeline.js";
import { afterFirstTap } from "../pipelines/soft-token-taps.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { firstOf } from "../testing/core/repetitions.js";
import {
  alterSource,
  assertClose,
  firstIssue,
  readComponent,
  readGoldens,
  refuses,
  reshaped,
  runModel,
} from "../testing/models/support.js";
import { unet } from "./unet.js";
import { type UnetConfig, unetConfigSchema } from "./unet-config.js";
import { Weights } from "./weights.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());
const tolerance = { atol: 1e-5, rtol: 1e-4 };

/** Builds the network on inputs with the names of the golden file; `flags` such as TFF are the stages that read soft tokens. */
function build(w: Weights, config: UnetConfig, feed: (name: string) => Value, flags: string): Value {
  const added = config.pooledWidth === null ? null : { pooled: feed("pooled"), timeIds: feed("time_ids") };
  const stages = unetStages.filter((_, stage) => flags[stage] === "T");
  const taps = stages.map((stage) => afterFirstTap(w, feed("soft_tokens"), stage));
  const inputs = { sample: feed("sample"), timestep: feed("timestep"), added, promptEmbeds: feed("prompt_embeds") };
  return w.graph.withTaps(taps, () => unet(w, config, inputs));
}

/** Feeds of a golden denoiser file, with the effective tokens of each timestep. */
async function goldenFeeds(family: string, config: UnetConfig, flags: string) {
  const golden = await readGoldens(`${family}/denoiser-${flags}.safetensors`);
  const [tokens, table, timesteps] = [golden("tokens"), golden("t_tokens"), golden("timestep")];
  const effective = Array.from(timesteps.data, (timestep): FloatTensor => {
    const row = rows(table, Math.floor(timestep / 10), Math.floor(timestep / 10) + 1).data;
    return floatTensor(
      [1, 1, ...tokens.shape.slice(-2)],
      tokens.data.map((x, i) => x + row[i % row.length]),
    );
  });
  const feeds: Record<string, FloatTensor> = {
    sample: golden("sample"),
    timestep: timesteps,
    prompt_embeds: golden("prompt_embeds"),
    soft_tokens: concatRows(effective),
    ...(config.pooledWidth !== null && { pooled: golden("pooled"), time_ids: golden("time_ids") }),
  };
  return { feeds, golden };
}

for (const family of firstOf(["sd15", "sdxl"])) {
  describe(`the UNet of ${family}`, async () => {
    const { source, config: json } = await readComponent(`${family}/pipeline/unet`);
    const config = unetConfigSchema.parse(json);
    const run = async (feeds: Readonly<Record<string, FloatTensor>>, flags: string): Promise<FloatTensor> => {
      const output = await runModel(engine, source, used(feeds, flags), (w, feed) => {
        const prediction = build(w, config, feed, flags);
        w.requireAllUsed();
        return { prediction };
      });
      return output("prediction");
    };

    for (const flags of ["TFF", "TTF", "TTT"]) {
      it(`matches diffusers with soft tokens in ${flags} and one timestep per row`, async () => {
        const { feeds, golden } = await goldenFeeds(family, config, flags);
        assertClose("output", await run(feeds, flags), golden("output"), tolerance);
        assertClose("output_base", await run(feeds, "FFF"), golden("output_base"), tolerance);
      });
    }

    it("gives the same for two texts on one image or timestep as on two copies of it", async () => {
      const { feeds } = await goldenFeeds(family, config, "TTF");
      const one = (name: string) => rows(feeds[name], 0, 1);
      const twice = (name: string) => concatRows([one(name), one(name)]);
      const apart = await run({ ...feeds, sample: twice("sample"), timestep: twice("timestep") }, "TTF");
      const shared = await run({ ...feeds, sample: one("sample"), timestep: one("timestep") }, "TTF");
      assertClose("shared", shared, apart, { atol: 1e-6, rtol: 1e-5 });
    });

    it("computes everything before the first cross-attention once for all texts", () => {
      const flopsOf = (images: number) => {
        const graph = new Graph();
        const shapes: Record<string, number[]> = {
          sample: [images, 4, 16, 16],
          timestep: [1],
          prompt_embeds: [4, 7, config.crossWidth],
          pooled: [4, config.pooledWidth ?? 1],
          time_ids: [1, 6],
        };
        const inputs = new Map(Object.entries(shapes).map(([name, shape]) => [name, input(graph, name, shape)]));
        const feed = (name: string) => {
          const value = inputs.get(name);
          assert.ok(value);
          return value;
        };
        const prediction = build(Weights.of(graph, source), config, feed, "FFF");
        return {
          total: countFlops(graph, [prediction]).executed,
          first: graph.nodes.find(({ op }) => op === "conv2d"),
        };
      };
      const [shared, each] = [flopsOf(1), flopsOf(4)];
      assert.deepEqual(shared.first?.outputs[0].dim(0), 1);
      // At least conv_in: 2 x 9 x 4 x 16 channels x 256 pixels for each of three copies.
      assert.ok(each.total - shared.total >= 3 * 2 * 9 * 4 * 16 * 256);
    });

    it("accepts latents of any size, including odd sizes at inner levels", async () => {
      const { feeds } = await goldenFeeds(family, config, "TFF");
      const sample = floatTensor(
        [2, 4, 5, 9],
        Float32Array.from({ length: 360 }, (_, i) => Math.sin(i)),
      );
      assert.deepEqual((await run({ ...feeds, sample }, "TFF")).shape, [2, 4, 5, 9]);
    });

    it("rejects weights of another configuration", () => {
      const attempt = (changed: typeof source, as = config) => {
        const graph = new Graph();
        const widths = { prompt_embeds: [1, 7, as.crossWidth], pooled: [1, as.pooledWidth ?? 1], time_ids: [1, 6] };
        const shapes: Record<string, number[]> = { sample: [1, 4, 4, 4], timestep: [1], ...widths };
        const w = Weights.of(graph, changed);
        build(w, as, (name) => input(graph, name, shapes[name]), "FFF");
        w.requireAllUsed();
      };
      const name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight";
      const without = alterSource(source, (key, stored) => (key === name ? null : [key, stored]));
      refuses(
        () => attempt(without),
        /mid_block\.attentions\.0\.transformer_blocks\.0\.attn2\.to_k\.weight is missing/,
      );
      const wide = alterSource(source, (key, stored) => [key, key === name ? reshaped(stored, [3, 5]) : stored]);
      refuses(() => attempt(wide), /attn2\.to_k\.weight has shape \[3,5\], the configuration requires \[32,/);
      const [plain] = unetConfigSchema.parse({ ...(json as object), mid_block_type: "UNetMidBlock2D" }).up;
      assert.ok(plain);
      refuses(
        () => attempt(source, unetConfigSchema.parse({ ...(json as object), mid_block_type: "UNetMidBlock2D" })),
        /tensors do not belong to the configured model: mid_block\.(attentions|resnets)/,
      );
    });
  });
}

/** Removes the soft tokens if no stage reads them. */
function used(feeds: Readonly<Record<string, FloatTensor>>, flags: string): Record<string, FloatTensor> {
  const { soft_tokens, ...others } = feeds;
  return flags.includes("T") ? { ...others, soft_tokens } : others;
}

describe("a UNet's configuration", () => {
  const base = {
    _class_name: "UNet2DConditionModel",
    block_out_channels: [32, 64],
    down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
    cross_attention_dim: 24,
    attention_head_dim: 4,
  };
  const parse = (changes: object) => unetConfigSchema.parse({ ...base, ...changes });

  it("has diffusers' defaults for absent keys", () => {
    const { down, mid, up, crossWidth, pooledWidth } = unetConfigSchema.parse({ _class_name: "UNet2DConditionModel" });
    const text = { heads: 8, depths: [1, 1] };
    assert.deepEqual(down, [
      { width: 320, layers: 2, ...text },
      { width: 640, layers: 2, ...text },
      { width: 1280, layers: 2, ...text },
      { width: 1280, layers: 2, heads: 8, depths: null },
    ]);
    assert.deepEqual(mid, { width: 1280, layers: 1, heads: 8, depths: [1] });
    assert.deepEqual(
      up.map(({ width, layers, depths }) => [width, layers, depths?.length ?? null]),
      [
        [1280, 3, null],
        [1280, 3, 3],
        [640, 3, 3],
        [320, 3, 3],
      ],
    );
    assert.deepEqual([crossWidth, pooledWidth], [1280, null]);
  });

  it("applies lists per level in order to the down blocks, and reversed to the up blocks", () => {
    const { down, mid, up } = parse({
      layers_per_block: [1, 3],
      attention_head_dim: [2, 8],
      transformer_layers_per_block: [5, 10],
    });
    assert.deepEqual(down[1], { width: 64, layers: 3, heads: 8, depths: [10, 10, 10] });
    assert.deepEqual(mid, { width: 64, layers: 1, heads: 8, depths: [10] });
    assert.deepEqual(up, [
      { width: 64, layers: 4, heads: 8, depths: [10, 10, 10, 10] },
      { width: 32, layers: 2, heads: 2, depths: null },
    ]);
  });

  it("accepts nested lists of transformer layers, with a separate list for the up blocks", () => {
    const nested = { transformer_layers_per_block: [0, [4, 2]], reverse_transformer_layers_per_block: [[4, 4, 10], 1] };
    const { down, mid, up } = parse(nested);
    assert.deepEqual([down[1].depths, mid?.depths, up[0].depths], [[4, 2], [4], [4, 4, 10]]);
    assert.equal(parse({ mid_block_type: null }).mid, null);
    assert.equal(parse({ mid_block_type: "UNetMidBlock2D" }).mid?.depths, null);
  });

  it("derives the width of the pooled text", () => {
    const added = { addition_embed_type: "text_time", addition_time_embed_dim: 256 };
    assert.equal(parse({ ...added, projection_class_embeddings_input_dim: 2816 }).pooledWidth, 1280);
  });

  it("rejects unsupported settings, and lists of the wrong length", () => {
    const cases: [object, RegExp][] = [
      [{ block_out_channels: [32, 64, 64] }, /^down_block_types: must have 3 entries/],
      [{ attention_head_dim: [4] }, /^attention_head_dim: must have 2 entries/],
      [{ layers_per_block: [1, 2, 3] }, /^layers_per_block: must have 2 entries/],
      [{ transformer_layers_per_block: [1] }, /^transformer_layers_per_block: must have 2 entries/],
      [{ transformer_layers_per_block: [1, [1, 2]] }, /^reverse_transformer_layers_per_block: must have 2 entries/],
      [
        { transformer_layers_per_block: [1, [1]], reverse_transformer_layers_per_block: [1, 1] },
        /^transformer_layers_per_block: needs 2 entries/,
      ],
      [{ cross_attention_dim: [24, 32] }, /^cross_attention_dim: different widths are not supported$/],
      [{ norm_num_groups: 24 }, /^norm_num_groups: must divide all block_out_channels$/],
      [{ addition_embed_type: "text_time" }, /^projection_class_embeddings_input_dim: must be more than/],
      [{ addition_embed_type: "image" }, /^addition_embed_type: not supported$/],
      [{ num_attention_heads: 8 }, /^num_attention_heads: not supported$/],
      [{ only_cross_attention: true }, /^only_cross_attention: /],
      [{ class_embed_type: "timestep" }, /^class_embed_type: not supported$/],
      [{ time_cond_proj_dim: 256 }, /^time_cond_proj_dim: not supported \(guidance distilled/],
      [{ conv_in_kernel: 4 }, /^conv_in_kernel: must be odd$/],
      [{ down_block_types: ["DownBlock2D", "AttnDownBlock2D"] }, /^down_block_types\.1: /],
      [{ encoder_hid_dim_type: "text_proj" }, /^encoder_hid_dim_type: not supported$/],
    ];
    for (const [changes, fault] of cases) assert.match(firstIssue(unetConfigSchema, { ...base, ...changes }), fault);
    assert.equal(
      firstIssue(unetConfigSchema, { ...base, only_cross_attention: [false, false], upcast_attention: true }),
      "none",
    );
  });
});
