import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { InputError } from "#softrepa/core/errors.js";
import { floatTensor } from "#softrepa/core/tensor.js";
import { writeSafetensors } from "#softrepa/weights/safetensors.js";
import { readImageStream } from "./folder.js";

describe("the stream of image tokens of a pipeline's folder", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "softrepa-stream-"));
  });
  after(() => rm(folder, { recursive: true }));

  it("is its transformer without what belongs to the text", async () => {
    const image = [
      "pos_embed.proj.weight",
      "transformer_blocks.0.attn.to_q.weight",
      "transformer_blocks.0.norm1.linear.bias",
    ];
    const text = [
      "context_embedder.weight",
      "time_text_embed.text_embedder.linear_1.weight",
      "transformer_blocks.0.attn.add_q_proj.weight",
      "transformer_blocks.0.attn.to_add_out.bias",
      "transformer_blocks.0.ff_context.net.0.proj.weight",
      "transformer_blocks.0.norm1_context.linear.weight",
    ];
    const tensors = [...image, ...text].map((name, index) => [name, floatTensor([1], Float32Array.of(index))] as const);
    await writeSafetensors(join(folder, "transformer", "diffusion_pytorch_model.safetensors"), new Map(tensors));
    const stream = await readImageStream(folder);
    assert.deepEqual(
      [...stream].map(([name, { data }]) => [name, ...data]),
      image.map((name, index) => [`transformer.${name}`, index]),
    );
  });

  it("of a folder without one cannot be read", async () => {
    await assert.rejects(readImageStream(join(folder, "nowhere")), InputError);
  });
});
