/** @file The contract tests of every model family. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { RuntimeFailure, UsageError } from "../../core/errors.js";
import { Generator } from "../../core/random.js";
import { floatTensor } from "../../core/tensor.js";
import type { Family } from "../../families/family.js";
import { openPipeline } from "../../families/open.js";
import { gradientsOfSum } from "../../graph/autodiff.js";
import { Graph } from "../../graph/graph.js";
import { writeOnnx } from "../../graph/onnx/writer.js";
import { input } from "../../graph/ops.js";
import { conditioningInputs } from "../../pipelines/inputs.js";
import type { PipelineFileOptions } from "../../pipelines/open-options.js";
import { type DiffusionPipeline, unetStages } from "../../pipelines/pipeline.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { noisySample } from "../../schedulers/index.js";
import { countingEngine } from "../runtime/counting-engine.js";

/** A small model of the family. */
export interface FamilyFixture {
  /** The model as a diffusers folder. */
  readonly folder: string;
  /** The model as a single file, with options to open it; null for a family without single files. */
  readonly file: { readonly path: string; readonly options: PipelineFileOptions } | null;
}

export function familyContract(family: Family, prepare: () => Promise<FamilyFixture>): void {
  describe(`the family ${family.name}`, () => {
    const { engine, open: openSessions } = countingEngine(new OnnxRuntimeEngine("cpu", 1));
    after(() => engine.close());
    const open = (path: string, options: PipelineFileOptions = {}) =>
      openPipeline(path, engine, { maxSequenceLength: 24, families: [family], ...options });
    let fixture: FamilyFixture;
    let pipeline: DiffusionPipeline;
    before(async () => {
      fixture = await prepare();
      pipeline = await open(fixture.folder);
    });

    it("has valid names and defaults", () => {
      const { name, title, className, architecture, defaults, paper } = family;
      for (const text of [name, title, className, architecture]) assert.match(text, /^\S(?:.*\S)?$/);
      assert.match(name, /^[a-z0-9-]+$/);
      assert.ok(Number.isInteger(defaults.steps) && defaults.steps > 0);
      assert.ok(defaults.guidanceScale >= 0 && defaults.dweight >= 0);
      assert.ok(Number.isInteger(defaults.layers) && defaults.layers > 0);
      for (const stage of defaults.stages ?? []) assert.ok(unetStages.includes(stage));
      assert.notEqual(defaults.stages?.length, 0);
      if (paper !== null) assert.ok(Number.isInteger(paper.buckets) && paper.buckets >= 0 && paper.epochs > 0);
    });

    it("opens a folder as its record describes", () => {
      const { name, architecture, defaults } = family;
      assert.deepEqual([pipeline.family, pipeline.architecture, pipeline.defaults], [name, architecture, defaults]);
      assert.equal(pipeline.origin, fixture.folder);
      assert.deepEqual([pipeline.softTokenLayout.family, pipeline.softTokenLayout.stages], [name, defaults.stages]);
      assert.equal(pipeline.defaultSize % pipeline.sizeMultiple, 0);
      assert.equal(pipeline.schedulerNamed("own").trainTimesteps, pipeline.scheduler.trainTimesteps);
      assert.throws(() => pipeline.schedulerNamed("no such scheduler"), UsageError);
    });

    it("encodes prompts to the conditioning of its denoiser", async () => {
      const { conditioning, truncated } = await pipeline.encodePrompts(["a red cube", "two cats"]);
      const shapes = Object.entries(conditioning).map(([name, { shape }]) => [name, shape]);
      const wanted = Object.entries(pipeline.conditioningShapes).map(([name, shape]) => [name, [2, ...shape]]);
      assert.deepEqual(Object.fromEntries(shapes), Object.fromEntries(wanted));
      assert.deepEqual(truncated, []);
    });

    it("encodes images to latents, and decodes latents to images", async () => {
      const { sizeMultiple, vaeScaleFactor, latentChannels } = pipeline;
      const [height, width] = [2 * sizeMultiple, 3 * sizeMultiple];
      const images = new Generator(1).normal([2, 3, height, width]);
      const latents = await pipeline.encodeImages(images);
      assert.deepEqual(latents.shape, [2, latentChannels, height / vaeScaleFactor, width / vaeScaleFactor]);
      assert.ok(latents.data.every(Number.isFinite));
      assert.deepEqual((await pipeline.decodeLatents(latents)).shape, images.shape);
      const size = pipeline.defaultSize;
      const side = size / vaeScaleFactor;
      const planned = (kind: "encoder" | "decoder") =>
        pipeline.partGraph({ kind, size }).outputs.map(({ shape }) => shape);
      assert.deepEqual(planned("encoder"), [[1, latentChannels, side, side]]);
      assert.deepEqual(planned("decoder"), [[1, 3, size, size]]);
    });

    it("denoises in a graph whose gradients reach the soft tokens", () => {
      const { softTokenLayout: layout, latentChannels } = pipeline;
      const side = (2 * pipeline.sizeMultiple) / pipeline.vaeScaleFactor;
      for (const softTokens of [true, false]) {
        const graph = new Graph();
        const raw = input(graph, "tokens", [2, layout.layers, 3, layout.rawWidth]);
        const prediction = pipeline.denoise(graph, {
          sample: input(graph, "sample", [2, latentChannels, side, side]),
          timestep: input(graph, "timestep", [1]),
          conditioning: conditioningInputs(graph, pipeline, 2),
          softTokens: softTokens ? { values: pipeline.projectSoftTokens(graph, raw), stages: layout.stages } : null,
        });
        assert.deepEqual(prediction.shape, [2, latentChannels, side, side]);
        if (!softTokens) continue;
        const [gradient] = gradientsOfSum(prediction, [raw]);
        assert.deepEqual(gradient?.shape, raw.shape);
        assert.ok(writeOnnx(graph, { prediction }, engine.target).inputs.some(({ name }) => name === "tokens"));
      }
      assert.ok(pipeline.tokensPerPair([latentChannels, side, side]) > 0);
    });

    it("adds noise linearly", () => {
      const latents = new Generator(2).normal([2, pipeline.latentChannels, 2, 2]);
      const noise = new Generator(3).normal([1, pipeline.latentChannels, 2, 2]);
      const { sample, target } = noisySample(pipeline.scheduler, latents, noise, 500);
      assert.deepEqual([sample.shape, target.shape], [latents.shape, latents.shape]);
      const doubled = noisySample(
        pipeline.scheduler,
        floatTensor(
          latents.shape,
          latents.data.map((x) => 2 * x),
        ),
        floatTensor(
          noise.shape,
          noise.data.map((x) => 2 * x),
        ),
        500,
      );
      assert.ok(doubled.sample.data.every((x, index) => Math.abs(x - 2 * (sample.data[index] ?? 0)) < 1e-5));
    });

    it("opens a single file as the same kind of model", async () => {
      assert.equal(fixture.file === null, family.singleFile === null);
      if (fixture.file === null) return;
      const { path, options } = fixture.file;
      const single = await open(path, options);
      assert.deepEqual([single.family, single.origin], [family.name, path]);
      assert.deepEqual(single.softTokenLayout.placement, pipeline.softTokenLayout.placement);
      assert.deepEqual(Object.keys(single.conditioningShapes), Object.keys(pipeline.conditioningShapes));
      await single.close();
    });

    it("leaves no sessions open after it is closed, and fails afterwards", async () => {
      const before = openSessions();
      assert.ok(before > 0);
      await pipeline[Symbol.asyncDispose]();
      assert.equal(openSessions(), 0);
      const closed = (error: unknown) => error instanceof RuntimeFailure && /pipeline is closed/.test(error.message);
      await assert.rejects(() => pipeline.encodePrompts(["a cat"]), closed);
      await assert.rejects(() => pipeline.encodeImages(floatTensor([1, 3, 8, 8])), closed);
      assert.equal(openSessions(), 0);
      await pipeline.close();
    });
  });
}
