import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { InputError } from "../core/errors.js";
import { floatTensor } from "../core/tensor.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { someOf } from "../testing/core/repetitions.js";
import {
  changeJson,
  changeTensors,
  copyPipeline,
  pipelineFolder,
  shortText,
  weightFile,
} from "../testing/pipelines/support.js";
import { refuses, survives } from "../testing/weights/support.js";
import { openPipeline } from "./open.js";

const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());
const open = (folder: string) => openPipeline(folder, engine, shortText);

let scratch = "";
let folder = "";
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "softrepa-open-"));
  folder = await copyPipeline("sd3", join(scratch, "pipeline"));
});
after(() => rm(scratch, { recursive: true, force: true }));

/** Replaces a file while `body` runs; null removes it. */
async function replaced(file: string, bytes: Uint8Array | string | null, body: () => Promise<void>): Promise<void> {
  const original = await readFile(file);
  if (bytes === null) await rm(file);
  else await writeFile(file, bytes);
  try {
    await body();
  } finally {
    await writeFile(file, original);
  }
}

/** Changes a file in place while `body` runs. */
async function edited(file: string, edit: () => Promise<void>, body: () => Promise<void>): Promise<void> {
  await replaced(file, await readFile(file), async () => {
    await edit();
    await body();
  });
}

describe("openPipeline", () => {
  it("describes the pipeline", async () => {
    for (const [family, layers] of [
      ["sd3", 4],
      ["sd35", 4],
    ] as const) {
      const pipeline = await open(pipelineFolder(family));
      const { defaultSize, vaeScaleFactor, sizeMultiple, latentChannels, softTokenLayout, conditioningShapes } =
        pipeline;
      assert.deepEqual([pipeline.family, pipeline.origin], ["sd3", pipelineFolder(family)]);
      assert.deepEqual([defaultSize, vaeScaleFactor, sizeMultiple, latentChannels], [64, 4, 8, 16]);
      const layout = { family: "sd3", placement: "prefix", layers, rawWidth: 48, projectedWidth: 32, stages: null };
      assert.deepEqual(softTokenLayout, layout);
      assert.deepEqual(conditioningShapes, { prompt_embeds: [77 + 24, 48], pooled: [40] });
      // 8 x 8 patches and the text.
      assert.equal(pipeline.tokensPerPair([16, 16, 16]), 64 + 77 + 24);
    }
  });

  it("defaults to diffusers' T5 length, and replaces a missing T5 by one row of zeros", async () => {
    const long = await openPipeline(pipelineFolder("sd3"), engine);
    assert.deepEqual(long.conditioningShapes.prompt_embeds, [77 + 256, 48]);
    await edited(
      join(folder, "model_index.json"),
      () => changeJson(join(folder, "model_index.json"), { text_encoder_3: [null, null], tokenizer_3: [null, null] }),
      async () => {
        const pipeline = await open(folder);
        assert.deepEqual(pipeline.conditioningShapes.prompt_embeds, [77 + 1, 48]);
        assert.equal(pipeline.tokensPerPair([16, 16, 16]), 64 + 77 + 1);
        const { conditioning } = await pipeline.encodePrompts(["a cat"]);
        const { prompt_embeds: states } = conditioning;
        assert.ok(states?.data.subarray(77 * 48).every((x) => x === 0));
        await pipeline.releaseEncoders();
      },
    );
  });

  it("rejects paths that are not pipeline folders", async () => {
    await refuses(
      () => open(join(scratch, "nowhere")),
      /nowhere is not a diffusers pipeline folder: .* does not exist$/,
    );
    await refuses(() => open(scratch), /is not a diffusers pipeline folder: .*model_index\.json does not exist$/);
    await refuses(() => open(join(folder, "model_index.json")), /is not a diffusers pipeline folder/);
  });

  it("rejects unsupported classes, whatever their names", async () => {
    const index = join(folder, "model_index.json");
    for (const name of ["FluxPipeline", "constructor", "toString", "__proto__", ""]) {
      await replaced(index, JSON.stringify({ _class_name: name }), () =>
        refuses(
          () => open(folder),
          new RegExp(`is a ${name}, which is not supported \\(supported: .*StableDiffusion3Pipeline.*\\)$`),
        ),
      );
    }
  });

  it("rejects a broken model_index.json", async () => {
    const index = join(folder, "model_index.json");
    for (const text of [
      "",
      "{",
      "null",
      "[]",
      '"x"',
      "{}",
      '{"_class_name": 3}',
      '{"_class_name": null}',
      "\0\x01\xff",
    ]) {
      await replaced(index, text, () => refuses(() => open(folder), /is not a diffusers pipeline folder: /));
    }
  });

  it("rejects a configuration with wrong types, naming file and key", async () => {
    const cases: [string, string, Record<string, unknown>][] = [
      ["transformer", "num_layers", { num_layers: "four" }],
      ["transformer", "patch_size", { patch_size: null }],
      ["transformer", "qk_norm", { qk_norm: "layer_norm" }],
      ["vae", "block_out_channels", { block_out_channels: [] }],
      ["vae", "scaling_factor", { scaling_factor: "1" }],
      ["text_encoder", "hidden_act", { hidden_act: "relu" }],
      ["text_encoder_3", "d_model", { d_model: -1 }],
    ];
    for (const [component, key, changes] of cases) {
      const file = join(folder, component, "config.json");
      await edited(
        file,
        () => changeJson(file, changes),
        () => refuses(() => open(folder), new RegExp(`${component}.config\\.json: "${key}`)),
      );
    }
  });

  it("rejects an autoencoder with other latent channels", async () => {
    const file = join(folder, "transformer", "config.json");
    await edited(
      file,
      () => changeJson(file, { in_channels: 4 }),
      () => refuses(() => open(folder), /the autoencoder has 16 latent channels, the transformer expects 4$/),
    );
  });

  it("rejects components that do not fit together", async () => {
    const cases: [string, Record<string, unknown>, RegExp][] = [
      ["transformer/config.json", { joint_attention_dim: 7 }, /do not fit together/],
      [
        "transformer/config.json",
        { pooled_projection_dim: 50 },
        /output pooled of shape \[40\], the transformer expects \[50\]$/,
      ],
      ["tokenizer/tokenizer_config.json", { model_max_length: 7 }, /do not fit together/],
    ];
    for (const [name, changes, message] of cases) {
      const file = join(folder, name);
      await edited(
        file,
        () => changeJson(file, changes),
        () => refuses(() => open(folder), /pipeline: /, message),
      );
    }
  });

  const components: [string, string][] = [
    ["transformer", "transformer_blocks.2.attn.to_q.weight"],
    ["vae", "decoder.conv_out.weight"],
    ["vae", "encoder.mid_block.resnets.0.norm1.bias"],
    ["text_encoder", "text_model.encoder.layers.1.mlp.fc1.weight"],
    ["text_encoder_2", "text_projection.weight"],
    ["text_encoder_3", "encoder.final_layer_norm.weight"],
  ];
  for (const [component, name] of components) {
    it(`checks the weights of ${component} on opening: ${name}`, async () => {
      const file = weightFile(folder, component);
      const where = new RegExp(`pipeline.${component}`);
      const change = (edit: Parameters<typeof changeTensors>[1], ...patterns: RegExp[]) =>
        edited(
          file,
          () => changeTensors(file, edit),
          () => refuses(() => open(folder), where, ...patterns),
        );
      await change((tensors) => tensors.delete(name), /is missing/, new RegExp(quoted(name)));
      await change(
        (tensors) => tensors.set(name, floatTensor([3, 5])),
        new RegExp(`${quoted(name)} has shape \\[3,5\\], the configuration requires \\[`),
      );
      await change(
        (tensors) => tensors.set("more.weight", floatTensor([1])),
        /1 tensors do not belong to the configured model: more\.weight$/,
      );
      const bytes = await readFile(file);
      for (const cut of [bytes.subarray(0, bytes.length - 1), bytes.subarray(0, 100), bytes.subarray(0, 0)]) {
        await replaced(file, cut, () => refuses(() => open(folder), where, /cut short|not a safetensors file|ends at/));
      }
      await replaced(file, null, () => refuses(() => open(folder), where, /has no \S+\.safetensors/));
    });
  }

  it("rejects missing shards, and shards without an index", async () => {
    const sharded = await copyPipeline("sd35", join(scratch, "sharded"));
    const names = await readdir(join(sharded, "transformer"));
    const shard = names.find((name) => name.endsWith(".safetensors"));
    assert.ok(shard);
    await replaced(join(sharded, "transformer", shard), null, () =>
      refuses(() => open(sharded), new RegExp(`lacks ${quoted(shard)}`)),
    );
    const index = names.find((name) => name.endsWith(".index.json"));
    assert.ok(index);
    await replaced(join(sharded, "transformer", index), "{", () => refuses(() => open(sharded), /is not JSON/));
    await replaced(join(sharded, "transformer", index), null, () => refuses(() => open(sharded), /but not its index/));
  });

  it("opens or fails in one line for damage to any file", async () => {
    const files = await readdir(folder, { recursive: true });
    for (const name of someOf(files)) {
      const file = join(folder, name);
      if (!(await stat(file)).isFile()) continue;
      const bytes = await readFile(file);
      const flipped = Uint8Array.from(bytes, (byte, i) => (i === Math.floor(bytes.length / 3) ? byte ^ 0x55 : byte));
      const half = bytes.subarray(0, Math.floor(bytes.length / 2));
      for (const damaged of [null, "", half, flipped, "{}"]) {
        await replaced(file, damaged, () => survives(() => open(folder)));
      }
    }
  });

  it("opens or fails in one line for any values in a configuration", async () => {
    const parts = ["transformer", "vae", "text_encoder_3"].map((part) => `${part}/config.json`);
    for (const name of [...parts, "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"]) {
      const file = join(folder, name);
      const keys = Object.keys(JSON.parse(await readFile(file, "utf8")) as object);
      for (const key of someOf(keys)) {
        for (const value of [7, 1e9]) {
          await edited(
            file,
            () => changeJson(file, { [key]: value }),
            () => survives(() => open(folder)),
          );
        }
      }
    }
  });
});

function quoted(text: string): string {
  return text.replace(/[.[\]]/g, "\\$&");
}

it("throws InputErrors, which exit with 1", async () => {
  await assert.rejects(() => open(join(scratch, "nowhere")), InputError);
});
