/** @file Sample images of a run in training: the same prompts and seeds every time, made as `softrepa generate` makes them. */

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

  /** Encodes the prompts, which takes the text encoders; later images do without. */
  async prepare(): Promise<void> {
    const { samplePrompts, sampleGuidance: guidance = this.pipeline.defaults.guidanceScale } = this.spec;
    if (samplePrompts.length === 0) return;
    await encodeForGuidance(this.prompts, samplePrompts, guidance > 1 ? negative : null, this.hooks);
  }

  /** Makes those of `step`; with `onlyMissing` not those that are there. */
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
      // By the name that they have in every checkpoint, and at the end.
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
    // The decoder of large images would keep more memory than training takes.
    await this.pipeline.releaseEncoders();
  }
}

async function exists(file: string): Promise<boolean> {
  return (await statOrNull(file)) !== null;
}
