import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { z } from "zod";
import { Graph } from "../graph/graph.js";
import { input } from "../graph/ops.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import {
  alterSource,
  assertClose,
  firstIssue,
  idTensor,
  readComponent,
  readGoldens,
  readJson,
  refuses,
  reshaped,
  runModel,
  sliceOf,
} from "../testing/models/support.js";
import type { WeightSource } from "../weights/source.js";
import { translateKeys } from "./dialect.js";
import { positionBucket, t5ConfigSchema, t5Dialect, t5Encoder, t5IgnoredKeys } from "./t5-encoder.js";
import { Weights } from "./weights.js";

const textGolden = z.object({ input_ids_3: z.array(z.array(z.int())) });
const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());

describe("T5 encoder against transformers", () => {
  for (const family of ["sd3", "sd35"]) {
    it(family, async () => {
      const { source, config } = await readComponent(`${family}/pipeline/text_encoder_3`);
      const parsed = t5ConfigSchema.parse(config);
      const { input_ids_3 } = textGolden.parse(readJson(`${family}/text.json`));
      const goldens = await readGoldens(`${family}/text.safetensors`);
      const read = await runModel(engine, source, { ids: idTensor(input_ids_3) }, (w, feed) => {
        const states = t5Encoder(w, parsed, feed("ids"));
        w.requireAllUsed();
        return { states };
      });
      // The T5 states follow the 77 tokens of the CLIP encoders.
      const expected = sliceOf(goldens("prompt_embeds"), 1, 77, 101);
      assertClose(family, read("states"), expected, { atol: 1e-5, rtol: 1e-4 });
    });
  }
});

describe("T5 position buckets", () => {
  it("start at the same distances as in transformers, for 32 buckets up to distance 128", () => {
    const starts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
    for (const [bucket, start] of starts.entries()) {
      const end = starts[bucket + 1] ?? 1000;
      for (let distance = start; distance < end; distance++) {
        assert.equal(positionBucket(-distance, 32, 128), bucket, `-${distance}`);
        if (distance > 0) assert.equal(positionBucket(distance, 32, 128), bucket + 16, `${distance}`);
      }
    }
  });

  it("assign distances on a border as transformers' float32 does", () => {
    // [buckets, greatest distance, distance, bucket], from T5Attention._relative_position_bucket (transformers 4.57).
    for (const [buckets, maxDistance, distance, bucket] of [
      [7, 9, -2, 1],
      [7, 9, -3, 2],
      [6, 196, -13, 1],
      [6, 196, 14, 5],
    ] as const) {
      assert.equal(positionBucket(distance, buckets, maxDistance), bucket, `${distance} of ${maxDistance}`);
    }
  });

  it("need a maximum distance above those with a bucket each", () => {
    const config = { relative_attention_num_buckets: 32, relative_attention_max_distance: 8 };
    assert.match(firstIssue(t5ConfigSchema, config), /^relative_attention_max_distance: /);
  });
});

const { source: sd3, config: sd3Json } = await readComponent("sd3/pipeline/text_encoder_3");
const sd3Config = t5ConfigSchema.parse(sd3Json);

function build(source: WeightSource, config = sd3Config) {
  const graph = new Graph();
  const w = Weights.of(graph, translateKeys(source, t5Dialect));
  t5Encoder(w, config, input(graph, "ids", [1, 8], "int64"));
  w.requireAllUsed(...t5IgnoredKeys);
}

describe("T5 encoder with other checkpoints", () => {
  const shared = "shared.weight";
  const embedTokens = "encoder.embed_tokens.weight";

  it("reads the token table under its other name or both, and rejects a missing one", () => {
    build(alterSource(sd3, (name, stored) => [name === shared ? embedTokens : name, stored]));
    const [table] = [...sd3.tensors].flatMap(([name, stored]) => (name === shared ? [stored] : []));
    assert.ok(table);
    build({ ...sd3, tensors: new Map([[embedTokens, table], ...sd3.tensors]) });
    refuses(
      () => build(alterSource(sd3, (name, stored) => (name === shared ? null : [name, stored]))),
      /shared\.weight/,
    );
  });

  it("reads ungated feed-forward layers", () => {
    const plain = alterSource(sd3, (name, stored) =>
      name.includes("wi_1") ? null : [name.replace("wi_0", "wi"), stored],
    );
    build(plain, { ...sd3Config, feed_forward_proj: "relu" });
    refuses(() => build(sd3, { ...sd3Config, feed_forward_proj: "relu" }), /DenseReluDense\.wi\.weight is missing/);
  });

  it("rejects a wrong shape", () => {
    const key = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    const source = alterSource(sd3, (name, stored) => [name, name === key ? reshaped(stored, [4, 8]) : stored]);
    refuses(() => build(source), /relative_attention_bias\.weight has shape \[4,8\].* \[8,4\]/);
  });

  it("rejects an unused tensor", () => {
    refuses(() => build(sd3, { ...sd3Config, num_layers: 1 }), /9 tensors do not belong.*encoder\.block\.1\./);
  });

  it("rejects an unsupported activation", () => {
    assert.match(firstIssue(t5ConfigSchema, { ...sd3Config, feed_forward_proj: "gated-silu" }), /^feed_forward_proj: /);
  });
});
