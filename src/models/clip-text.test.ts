import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { z } from "zod";
import { intTensor } from "../core/tensor.js";
import { Graph } from "../graph/graph.js";
import { input } from "../graph/ops.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import {
  alterSource,
  assertClose,
  families,
  firstIssue,
  fixture,
  idTensor,
  readComponent,
  readGoldens,
  readJson,
  refuses,
  reshaped,
  runModel,
  sliceOf,
} from "../testing/models/support.js";
import { openSafetensors } from "../weights/safetensors.js";
import type { WeightSource } from "../weights/source.js";
import {
  type ClipTextConfig,
  clipTextConfigSchema,
  clipTextEncoder,
  clipTextIgnoredKeys,
  eosPosition,
} from "./clip-text.js";
import { Weights } from "./weights.js";

const ids = z.array(z.array(z.int()));
const engine = new OnnxRuntimeEngine("cpu", 1);
after(() => engine.close());

async function encode(source: WeightSource, config: ClipTextConfig, inputIds: z.infer<typeof ids>) {
  const ends = inputIds.map((row) => eosPosition(row, config));
  const feeds = { ids: idTensor(inputIds), ends: intTensor([ends.length], ends) };
  return runModel(engine, source, feeds, (w, feed) => {
    const outputs = clipTextEncoder(w, config, { inputIds: feed("ids"), eosPositions: feed("ends") });
    w.requireAllUsed(...clipTextIgnoredKeys);
    const { hiddenStates, lastHiddenState, pooled, textEmbeds } = outputs;
    assert.equal(hiddenStates.length, config.num_hidden_layers + 1);
    const penultimate = hiddenStates.at(-2);
    assert.ok(penultimate);
    return { penultimate, lastHiddenState, pooled, ...(textEmbeds ? { textEmbeds } : {}) };
  });
}

/** Runs the encoders of a family in its pipeline's order on their golden ids. */
async function encodeAll(family: string) {
  const golden = z.record(z.string(), z.unknown()).parse(readJson(`${family}/text.json`));
  const encoders = family === "sd15" ? ["text_encoder"] : ["text_encoder", "text_encoder_2"];
  return Promise.all(
    encoders.map(async (folder, index) => {
      const { source, config } = await readComponent(`${family}/pipeline/${folder}`);
      const parsed = clipTextConfigSchema.parse(config);
      return { config: parsed, read: await encode(source, parsed, ids.parse(golden[`input_ids_${index + 1}`])) };
    }),
  );
}

describe("CLIP text encoder against transformers", () => {
  for (const family of families) {
    it(family, async () => {
      const goldens = await readGoldens(`${family}/text.safetensors`);
      const encoded = await encodeAll(family);
      // SD1.5 uses the last states after the norm, the others the penultimate ones, concatenated.
      const states = family === "sd15" ? "lastHiddenState" : "penultimate";
      let column = 0;
      for (const { config, read } of encoded) {
        const rows = sliceOf(goldens("prompt_embeds"), 1, 0, 77);
        const expected = sliceOf(rows, 2, column, column + config.hidden_size);
        assertClose(`${family} ${states}`, read(states), expected, { atol: 1e-5, rtol: 1e-4 });
        column += config.hidden_size;
      }
      column = 0;
      for (const { config, read } of family === "sd15" ? [] : family === "sdxl" ? encoded.slice(1) : encoded) {
        const expected = sliceOf(goldens("pooled"), 1, column, column + config.projection_dim);
        assertClose(`${family} textEmbeds`, read("textEmbeds"), expected, { atol: 1e-5, rtol: 1e-4 });
        column += config.projection_dim;
      }
    });
  }

  it("reads the text half of a whole CLIP model, whose configuration names the end token", async () => {
    const goldens = await readGoldens("eval/clip.safetensors");
    const config = clipTextConfigSchema.parse(readJson("eval/clip/config.json"));
    assert.deepEqual(
      [config.eos_token_id, config.hidden_size, config.projection_dim, config.architectures],
      [1513, 32, 24, ["CLIPModel"]],
    );
    const whole = await openSafetensors(fixture("eval/clip/model.safetensors"));
    const source = alterSource(whole, (name, stored) => (name.startsWith("text_") ? [name, stored] : null));
    const { shape, data } = goldens("input_ids");
    const [rows, length] = shape;
    const inputIds = Array.from({ length: rows ?? 0 }, (_, row) => [
      ...data.subarray(row * 77, row * 77 + (length ?? 0)),
    ]);
    const read = await encode(source, config, inputIds);
    assertClose("text_embeds", read("textEmbeds"), goldens("text_embeds"), { atol: 1e-5, rtol: 1e-4 });
  });
});

const sd15 = await readComponent("sd15/pipeline/text_encoder");
const sd15Config = clipTextConfigSchema.parse(sd15.config);

function build(source: WeightSource, config = sd15Config, length = 77) {
  const graph = new Graph();
  const w = Weights.of(graph, source);
  const inputIds = input(graph, "ids", [1, length], "int64");
  clipTextEncoder(w, config, { inputIds, eosPositions: input(graph, "ends", [1], "int64") });
  w.requireAllUsed(...clipTextIgnoredKeys);
}

describe("CLIP text encoder with other checkpoints", () => {
  const key = "text_model.encoder.layers.1.mlp.fc1.weight";

  it("rejects a missing tensor", () => {
    const source = alterSource(sd15.source, (name, stored) => (name === key ? null : [name, stored]));
    refuses(() => build(source), /text_model\.encoder\.layers\.1\.mlp\.fc1\.weight is missing/);
  });

  it("rejects a wrong shape", () => {
    const source = alterSource(sd15.source, (name, stored) => [
      name,
      name === key ? reshaped(stored, [32, 64]) : stored,
    ]);
    refuses(() => build(source), /layers\.1\.mlp\.fc1\.weight has shape \[32,64\].* \[64,32\]/);
  });

  it("rejects an unused tensor", () => {
    refuses(() => build(sd15.source, { ...sd15Config, num_hidden_layers: 2 }), /16 tensors do not belong.*layers\.2\./);
  });

  it("rejects a missing projection that the architecture has", () => {
    const config = { ...sd15Config, architectures: ["CLIPTextModelWithProjection"] };
    refuses(() => build(sd15.source, config), /text_projection\.weight is missing/);
  });

  it("ignores the position ids of older checkpoints", () => {
    const [stored] = sd15.source.tensors.values();
    assert.ok(stored);
    const positionIds = { ...stored, name: "text_model.embeddings.position_ids", dtype: "I64" as const };
    const tensors = new Map(sd15.source.tensors).set(positionIds.name, positionIds);
    build({ ...sd15.source, tensors });
  });

  it("rejects more tokens than positions", () =>
    refuses(() => build(sd15.source, sd15Config, 78), /at most 77 tokens, got 78/));

  it("rejects configurations of other models", () => {
    const fault = (change: object) => firstIssue(clipTextConfigSchema, { ...sd15Config, ...change });
    assert.match(fault({ hidden_act: "relu" }), /^hidden_act: /);
    assert.equal(fault({ num_attention_heads: 5 }), "num_attention_heads: must divide hidden_size");
    assert.match(fault({ hidden_size: "32" }), /^hidden_size: /);
    assert.equal(fault({ something_new: true }), "none");
    const whole = clipTextConfigSchema.parse({ text_config: { projection_dim: 7 }, projection_dim: 9 });
    assert.equal(whole.projection_dim, 9);
  });
});

describe("eosPosition", () => {
  it("is that of the highest id for configurations with 2", () => {
    const config = { ...sd15Config, eos_token_id: 2 };
    assert.equal(eosPosition([90, 5, 2, 99, 99, 0], config), 3);
  });

  it("is that of the first end token otherwise", () => {
    const config = { ...sd15Config, eos_token_id: 7 };
    assert.equal(eosPosition([90, 5, 7, 99, 7], config), 2);
    assert.equal(eosPosition([90, 5], config), 0);
  });
});
