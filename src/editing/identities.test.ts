/** @file Methods in cases with a known answer. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type FloatTensor, floatTensor, rows } from "../core/tensor.js";
import { encodeForGuidance } from "../pipelines/conditioning.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { sampleLatents } from "../sampling/sample.js";
import { editLatents, evenMask, inContext, randomLatents, texts } from "../testing/editing/support.js";
import { largestDifference, openTiny } from "../testing/pipelines/support.js";
import { ddimInversion } from "./ddim-inversion.js";
import { flowAlign, flowEdit, inpaint, masaCtrl, plugAndPlay, sdEdit } from "./index.js";

const pipelines = { sd15: await openTiny("sd15"), sdxl: await openTiny("sdxl"), sd3: await openTiny("sd3") };
const families = ["sd15", "sdxl", "sd3"] as const;

function assertEqual(actual: FloatTensor, expected: FloatTensor, tolerance = 1e-5): void {
  const difference = largestDifference(actual, expected);
  assert.ok(difference <= tolerance, `${difference}`);
}

function assertChanged(actual: FloatTensor, from: FloatTensor): void {
  assert.ok(largestDifference(actual, from) > 1e-2);
}

/** Plain sampling of the target text from `noise`. */
async function generated(pipeline: DiffusionPipeline, noise: FloatTensor, steps: number, guidanceScale: number) {
  const encoded = await encodeForGuidance(pipeline, [texts.target], "");
  return sampleLatents(pipeline, {
    shape: noise.shape,
    drawNoise: () => noise,
    conditioning: encoded.conditioning,
    negative: encoded.negative,
    guidanceScale,
    steps,
    softTokens: null,
  });
}

describe("FlowEdit and FlowAlign", () => {
  const same = { source: texts.source, target: texts.source };
  for (const family of families) {
    it(`FlowEdit with equal prompts and guidance gives the source (${family})`, async () => {
      const pipeline = pipelines[family];
      const equal = flowEdit({ steps: 6, nMax: 4, averages: 2, sourceGuidance: 3, targetGuidance: 3 });
      const source = randomLatents(pipeline, 1);
      assertEqual((await editLatents(pipeline, equal, { prompts: same })).latents, source);
      assertChanged((await editLatents(pipeline, equal)).latents, source);
    });
  }
  it("FlowAlign with equal prompts gives the source", async () => {
    const pipeline = pipelines.sd3;
    const method = flowAlign({ steps: 5, guidance: 9 });
    const source = randomLatents(pipeline, 1);
    assertEqual((await editLatents(pipeline, method, { prompts: same })).latents, source);
    assertChanged((await editLatents(pipeline, method)).latents, source);
  });
});

describe("image to image and inpainting", () => {
  for (const family of families) {
    const pipeline = pipelines[family];
    const [source, noise] = [randomLatents(pipeline, 1), randomLatents(pipeline, 5)];
    const drawNoise = () => noise;
    it(`inpainting everything at strength 1 is generation (${family})`, async () => {
      const method = inpaint({ steps: 4, guidance: 5 });
      const { latents } = await editLatents(pipeline, method, { mask: evenMask(1), drawNoise });
      assertEqual(latents, await generated(pipeline, noise, 4, 5));
    });
    it(`inpainting nothing is the source exactly (${family})`, async () => {
      const { latents } = await editLatents(pipeline, inpaint({ steps: 4 }), { mask: evenMask(0) });
      assert.deepEqual(latents, source);
    });
    it(`strength 0 is the source exactly, without a run of the denoiser (${family})`, async () => {
      const { latents, runs } = await editLatents(pipeline, sdEdit({ steps: 4, imageStrength: 0 }));
      assert.deepEqual([latents, runs], [source, 0]);
    });
    it(`sdedit at strength 1 ${family === "sd3" ? "is generation" : "keeps some of the source"} (${family})`, async () => {
      const { latents, samples } = await editLatents(pipeline, sdEdit({ steps: 4, imageStrength: 1, guidance: 5 }), {
        drawNoise,
      });
      const plain = await generated(pipeline, noise, 4, 5);
      if (family === "sd3") assertEqual(latents, plain);
      else {
        const [level] = pipeline.scheduler.start(4).levels;
        assert.ok(level !== undefined && level.signal > 0.08 && level.signal < 0.3, `${level?.signal}`);
        assert.ok(samples[0] !== undefined && largestDifference(samples[0], noise) > 1e-2);
      }
    });
  }
});

describe("methods with a mask", () => {
  const left = floatTensor(
    [1, 1, 8, 8],
    Float32Array.from({ length: 64 }, (_, i) => (i % 8 < 4 ? 1 : 0)),
  );
  const cases = {
    flowedit: ["sd3", flowEdit({ steps: 4, nMax: 3 })],
    "flowedit with closing steps": ["sd3", flowEdit({ steps: 4, nMax: 3, nMin: 1 })],
    "flowedit of noise": ["sdxl", flowEdit({ steps: 4, nMax: 3, nMin: 1 })],
    flowalign: ["sd3", flowAlign({ steps: 4 })],
    sdedit: ["sd15", sdEdit({ steps: 4 })],
    inpaint: ["sd3", inpaint({ steps: 4 })],
    pnp: ["sd15", plugAndPlay({ steps: 4, inversionSteps: 4 })],
    masactrl: ["sd15", masaCtrl({ steps: 4, fromStep: 1 })],
  } as const;
  for (const [name, [family, method]] of Object.entries(cases)) {
    it(`${name} keeps the source outside of it, and changes the inside`, async () => {
      const pipeline = pipelines[family];
      const source = randomLatents(pipeline, 1);
      const { latents } = await editLatents(pipeline, method, { mask: left });
      const masked = (tensor: FloatTensor, inside: boolean) => tensor.data.filter((_, i) => i % 8 < 4 === inside);
      assert.deepEqual(masked(latents, false), masked(source, false));
      assert.notDeepEqual(masked(latents, true), masked(source, true));
    });
  }
});

describe("injection", () => {
  const pipeline = pipelines.sd15;
  const invert = (prompt: string) =>
    inContext(pipeline, {}, async (context) =>
      ddimInversion(context, { steps: 4, prompt: await context.encode(prompt) }),
    );

  it("Plug-and-Play without injection is plain sampling, and with it is not", async () => {
    const { latents } = await invert("");
    const plain = await generated(pipeline, latents[4] ?? latents[0], 4, 7.5);
    const edit = (features: number, attention: number) =>
      editLatents(pipeline, plugAndPlay({ steps: 4, inversionSteps: 4, features, attention }));
    assertEqual((await edit(0, 0)).latents, plain, 2e-5);
    assertChanged((await edit(1, 0)).latents, plain);
    assertChanged((await edit(0, 1)).latents, plain);
  });
  it("MasaCtrl from the last step on is plain sampling, and from an earlier one is not", async () => {
    const { latents } = await invert(texts.source);
    const plain = await generated(pipeline, latents[4] ?? latents[0], 4, 7.5);
    assertEqual((await editLatents(pipeline, masaCtrl({ steps: 4, fromStep: 4 }))).latents, plain, 2e-5);
    assertChanged((await editLatents(pipeline, masaCtrl({ steps: 4, fromStep: 1, fromLayer: 4 }))).latents, plain);
  });
  it("MasaCtrl with equal prompts and no reference has equal rows", async () => {
    const same = { source: texts.source, target: texts.source };
    const method = masaCtrl({ steps: 4, fromStep: 1, referenceLatents: false });
    const { samples } = await editLatents(pipeline, method, { prompts: same });
    assert.equal(samples.length, 5);
    for (const sample of samples) assertEqual(rows(sample, 0, 1), rows(sample, 1, 2), 1e-5);
  });
  it("takes one graph for all steps, and one run for each", async (t) => {
    const compile = t.mock.method(pipeline.engine, "compile");
    const method = plugAndPlay({ steps: 4, inversionSteps: 8, features: 0.5, attention: 0.25 });
    await pipeline.encodePrompts([texts.target]);
    compile.mock.resetCalls();
    const { runs } = await editLatents(pipeline, method);
    // The inversion, of one row, and the sampling, of three.
    assert.deepEqual([runs, compile.mock.callCount()], [12, 2]);
  });
});
