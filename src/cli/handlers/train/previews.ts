/** @file Pictures of a run in training: the same prompts and seeds every time, drawn as `softrepa generate` draws them. */

import { access } from "node:fs/promises";
import { encodeForGuidance } from "../../../pipelines/conditioning.js";
import { KeptPrompts } from "../../../pipelines/kept-prompts.js";
import type { DiffusionPipeline } from "../../../pipelines/pipeline.js";
import type { RunFolder } from "../../../runs/folder/run-folder.js";
import type { SoftTokens } from "../../../softtokens/softtokens.js";
import type { TrainCommandOptions } from "../../commands/train.js";
import type { CommandContext } from "../../context.js";
import { drawImages } from "../draw-images.js";
import { truncationWarner } from "../session.js";

const negative = "";

export class Previews {
  private readonly onTruncated: ReturnType<typeof truncationWarner>;
  private readonly prompts: KeptPrompts;

  constructor(
    private readonly pipeline: DiffusionPipeline,
    private readonly run: RunFolder,
    private readonly options: TrainCommandOptions,
    private readonly context: CommandContext,
  ) {
    this.onTruncated = truncationWarner(context.reporter);
    this.prompts = new KeptPrompts(pipeline);
  }

  /** Encodes the prompts, which takes the text encoders; later pictures do without. */
  async prepare(): Promise<void> {
    const { samplePrompts, sampleGuidance: guidance = this.pipeline.defaults.guidanceScale } = this.options;
    if (samplePrompts.length === 0) return;
    await encodeForGuidance(this.prompts, samplePrompts, guidance > 1 ? negative : null, this.context);
  }

  /** Draws those of `step`; with `onlyMissing` not those that are there. */
  async draw(step: number, softTokens: SoftTokens, onlyMissing: boolean): Promise<void> {
    const { samplePrompts, sampleSeed: seed, sampleSize, ...options } = this.options;
    const { reporter, signal } = this.context;
    const all = samplePrompts.map((prompt, index) => ({ prompt, seed, file: this.run.sampleAt(step, index, seed) }));
    const missing = await Promise.all(all.map(async ({ file }) => !onlyMissing || !(await exists(file))));
    const jobs = all.filter((_, index) => missing[index]);
    if (jobs.length === 0) return;
    const images = drawImages(
      this.pipeline,
      {
        jobs,
        model: options.model,
        // By the name that they have in every checkpoint, and at the end.
        tokens: { softTokens, file: this.run.tokens, strength: 1 },
        negative,
        prompts: this.prompts,
        steps: options.sampleSteps,
        guidance: options.sampleGuidance,
        scheduler: undefined,
        width: sampleSize,
        height: sampleSize,
        batch: 1,
        maxSequenceLength: options.maxSequenceLength,
        variant: options.variant,
      },
      {
        signal,
        onProgress: (done, total) => reporter.progress(`samples of step ${step}`, done, total),
        onTruncated: this.onTruncated,
      },
    );
    for await (const { file, settings } of images) reporter.event("sample", { step, file, ...settings });
    // The decoder of large pictures would keep more memory than training takes.
    await this.pipeline.releaseEncoders();
  }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
