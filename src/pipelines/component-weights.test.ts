import assert from "node:assert/strict";
import { cp, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { InputError } from "../core/errors.js";
import { openPipeline } from "../families/open.js";
import { OnnxRuntimeEngine } from "../runtime/onnxruntime/engine.js";
import { copyPipeline, shortText, weightFile } from "../testing/pipelines/support.js";

describe("a pipeline whose text encoders alone have an fp16 variant", () => {
  const engine = new OnnxRuntimeEngine("cpu", 1);
  let folder = "";

  before(async () => {
    folder = await copyPipeline("sd3", join(await mkdtemp(join(tmpdir(), "softrepa-variant-")), "pipeline"));
    for (const component of ["text_encoder", "text_encoder_2", "text_encoder_3"]) {
      await cp(weightFile(folder, component), join(folder, component, "model.fp16.safetensors"));
    }
  });
  after(async () => {
    await engine.close();
    await rm(join(folder, ".."), { recursive: true });
  });

  it("opens with and without the variant", async () => {
    await openPipeline(folder, engine, shortText);
    await openPipeline(folder, engine, { ...shortText, variant: "fp16" });
  });

  it("rejects a variant that no component has", async () => {
    await assert.rejects(openPipeline(folder, engine, { ...shortText, variant: "fp61" }), (error) => {
      return error instanceof InputError && /has no weights of the variant fp61; it has fp16$/.test(error.message);
    });
  });

  it("rejects a component with neither the variant nor plain files", async () => {
    const plain = weightFile(folder, "vae");
    const other = join(folder, "vae", "diffusion_pytorch_model.bf16.safetensors");
    await rename(plain, other);
    await assert.rejects(openPipeline(folder, engine, { ...shortText, variant: "fp16" }), (error) => {
      return error instanceof InputError && /vae has no .*fp16\.safetensors; it has bf16/.test(error.message);
    });
    await rename(other, plain);
  });
});
