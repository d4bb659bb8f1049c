/** @file Sample images during training, always with the same prompts and seeds, generated as by `softrepa generate`. */

import { statOrNull } from "../core/missing.js";
import { encodeForGuidance } from "../pipelines/conditioning.js";
import { modelName } from "../pipelines/model-name.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { PromptCache } from "../pipelines/prompt-cache.js";
import { truncationWarner } from "../pipelines/truncation-warner.js";
import { writeImages } from "../sampling/image-files.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import type { CompleteSpec } from "./complete-spec.js";
import type { RunHooks } from "./events.js";
import type { RunFolder } from "./folder/run-folder.js";

const negative = "";

export class Previews {
  private readonly onTruncated: ReturnType<typeof truncationWarner>;
  private readonly prompts: PromptCache;

  constructor(
    private readonly pipeline: DiffusionPipeline,
    private readonly folder: RunFolder,
    private readonly spec: CompleteSpec,
    private readonly hooks: RunHooks,
  ) {
    this.onTruncated = truncationWarner((message) => hooks.emit({ type: "warning", message }));
    this.prompts = new PromptCache(pipeline);
  }

  /** Encodes the prompts in advance, so that later images need no text encoders. */
  async prepare(): Promise<void> {
    const { samplePrompts, sampleGuidance: guidance = this.pipeline.defaults.guidanceScale } = this.spec;
    if (samplePrompts.length === 0) return;
    await encodeForGuidance(this.prompts, samplePrompts, guidance > 1 ? negative : null, this.hooks);
  }

  /** Generates the samples of `step`; with `onlyMissing`, only those without a file. */
  async generate(step: number, softTokens: SoftTokens, onlyMissing: boolean): Promise<void> {
    const { samplePrompts, sampleSeed: seed, sampleSize, ...spec } = this.spec;
    const { emit, signal } = this.hooks;
    const all = samplePrompts.map((prompt, index) => ({ prompt, seed, file: this.folder.sampleAt(step, index, seed) }));
    const missing = await Promise.all(all.map(async ({ file }) => !onlyMissing || !(await exists(file))));
    const jobs = all.filter((_, index) => missing[index]);
    if (jobs.length === 0) return;
    const images = writeImages(this.pipeline, {
      jobs,
      model: modelName(this.pipeline.origin),
      // The file name of the tokens, in every checkpoint and at the end.
      tokens: { softTokens, file: this.folder.tokens, strength: 1 },
      negative,
      prompts: this.prompts,
      steps: spec.sampleSteps,
      guidance: spec.sampleGuidance,
      width: sampleSize,
      height: sampleSize,
      batch: 1,
      maxSequenceLength: spec.maxSequenceLength,
      variant: spec.variant,
      ...(signal && { signal }),
      onProgress: (done, total) => emit({ type: "progress", label: `samples of step ${step}`, done, total }),
      onTruncated: this.onTruncated,
    });
    for await (const { file, settings } of images) emit({ type: "sample", step, file, settings });
    // The image decoder may hold more memory than training needs.
    await this.pipeline.releaseEncoders();
  }
}

async function exists(file: string): Promise<boolean> {
  return (await statOrNull(file)) !== null;
}
