/** @file A run folder while it is trained in: what is written when, in an order that a kill at any moment does no harm to. */

import { join } from "node:path";
import { InterruptedError, messageOf } from "../../../core/errors.js";
import { writeFileAtomic } from "../../../core/files.js";
import type { DiffusionPipeline } from "../../../pipelines/pipeline.js";
import type { Checkpoint, Fingerprints } from "../../../runs/folder/checkpoint.js";
import type { BestBy, RunFolder } from "../../../runs/folder/run-folder.js";
import { RunLog } from "../../../runs/folder/run-log.js";
import { writeSoftTokens } from "../../../softtokens/formats/index.js";
import { withProvenance } from "../../../softtokens/provenance.js";
import type { SoftTokens } from "../../../softtokens/softtokens.js";
import { overPushWarning, type PushSample } from "../../../training/over-push.js";
import { Throughput } from "../../../training/throughput.js";
import type { TrainStep } from "../../../training/train.js";
import type { TrainingState } from "../../../training/training-state.js";
import type { Validation, ValidationResult } from "../../../training/validation.js";
import type { TrainCommandOptions } from "../../commands/train.js";
import type { CommandContext } from "../../context.js";
import { formatNumber } from "../../format/number.js";
import { packageVersion } from "../../version.js";
import { modelName } from "../session.js";
import { Previews } from "./previews.js";
import type { RunSettings } from "./settings.js";
import { pushSampleOf, TrainingScalars } from "./training-scalars.js";

export interface RunParts {
  readonly options: TrainCommandOptions;
  readonly settings: RunSettings;
  readonly pipeline: DiffusionPipeline;
  readonly softTokens: SoftTokens;
  readonly folder: RunFolder;
  readonly fingerprints: Fingerprints;
  /** Texts of config.yaml and of its schema. */
  readonly config: { readonly yaml: string; readonly schema: string };
  readonly validation: Validation | null;
  /** What the run goes on from. */
  readonly from: Checkpoint | undefined;
  readonly context: CommandContext;
}

/** What the best checkpoint is told by. */
export function bestBy(metric: TrainCommandOptions["best"]): BestBy {
  return { metric, better: metric === "rank1" || metric === "gap" ? "higher" : "lower" };
}

export class TrainingRun {
  private readonly log: RunLog;
  private readonly previews: Previews;
  private readonly throughput: Throughput;
  private scalars: TrainingScalars | null = null;
  private history: PushSample[] = [];
  private warned = false;
  private begun = false;
  private stepBegan = performance.now();
  private seconds = 0;
  /** The last finished step of this call, and the last that is saved. */
  private last: TrainingState | undefined;
  private metrics: Checkpoint["metrics"] = {};
  private saved = -1;

  constructor(private readonly parts: RunParts) {
    const { options, pipeline, folder, context, settings } = parts;
    this.log = new RunLog(folder.log);
    this.previews = new Previews(pipeline, folder, options, context);
    const others = options.objective === "softrepa" ? settings.batch : 1;
    this.throughput = new Throughput(settings.batch, settings.batch * others);
  }

  /** Encodes what previews and validation need, all at once; where that is interrupted, they do it when they are due. */
  async prepare(): Promise<void> {
    const { validation, context } = this.parts;
    try {
      await this.previews.prepare();
      await validation?.prepare(context);
    } catch (error) {
      if (!(error instanceof InterruptedError)) throw error;
    }
  }

  /** Before the first step, when the data are known to be usable: what cannot be trained on leaves nothing behind. */
  async begin(): Promise<void> {
    if (this.begun) return;
    this.begun = true;
    const { folder, config, from, options } = this.parts;
    if (from === undefined) await folder.clear();
    else await folder.sweep();
    if (options.tensorboard) this.scalars = new TrainingScalars(folder.path, (from?.state.step ?? 0) + 1);
    await writeFileAtomic(join(folder.path, "config.schema.json"), config.schema);
    await writeFileAtomic(folder.config, config.yaml);
    const step = from?.state.step ?? 0;
    this.metrics = from?.metrics ?? {};
    this.saved = from === undefined ? -1 : step;
    const lines = from === undefined ? await this.log.begin() : await this.log.rewind(step);
    this.history = (lines ?? []).flatMap(pushSampleOf);
    const measured = Object.keys(this.metrics).length > 0 || this.history.some((sample) => sample.step === step);
    await this.measure(step, { onlyMissing: true, measured });
    // A run that was stopped while it was measured has a checkpoint that does not know what came out.
    if (from !== undefined && !measured && Object.keys(this.metrics).length > 0) await this.save(from.state);
    this.stepBegan = performance.now();
  }

  async afterStep(step: TrainStep, state: TrainingState): Promise<void> {
    const { options, settings, context } = this.parts;
    const seconds = (performance.now() - this.stepBegan) / 1000;
    this.throughput.add(seconds);
    this.seconds += seconds;
    this.last = state;
    this.metrics = {};
    await this.log.append({ ...step });
    this.tell(step);
    try {
      await this.measure(step.step, { onlyMissing: false, measured: false });
    } catch (error) {
      // What is asked to stop saves the step first.
      if (!(error instanceof InterruptedError)) throw error;
    }
    const due = options.saveEvery > 0 && step.step % options.saveEvery === 0;
    if (due || step.step === settings.steps || context.signal.aborted) await this.save(state);
    this.stepBegan = performance.now();
  }

  /** Spent in steps of this call, without what was measured and drawn in between. */
  get stepSeconds(): number {
    return this.seconds;
  }

  /** Saves the last finished step if it is not saved yet. */
  async finish(): Promise<void> {
    if (this.last !== undefined && this.last.step !== this.saved) await this.save(this.last);
  }

  async close(): Promise<void> {
    await this.scalars?.close().catch((error: unknown) => this.parts.context.reporter.warn(messageOf(error)));
  }

  /** As `finish` where something has failed already: a further failure is only told of. Says which step is saved. */
  async rescue(): Promise<void> {
    await this.finish().catch((error: unknown) => {
      this.parts.context.reporter.warn(`the last step cannot be saved: ${messageOf(error)}`);
    });
  }

  /** Writes the tokens as they are to where a run leaves them. */
  async writeTokens(step: number): Promise<void> {
    await writeSoftTokens(this.parts.folder.tokens, this.described(step), "softrepa");
  }

  private tell(step: TrainStep): void {
    const { options, settings, context } = this.parts;
    const rates = this.throughput.rates();
    const last = step.step === settings.steps;
    context.reporter.progress("steps", step.step, settings.steps, {
      loss: step.loss.toFixed(4),
      ...(step.rank1 === null ? {} : { rank1: step.rank1.toFixed(2) }),
      ...(rates && { "images/s": formatNumber(rates.images), "pairs/s": formatNumber(rates.pairs) }),
    });
    if (last || step.step % options.logEvery === 0) context.reporter.event("step", { ...step });
    this.scalars?.step(step, rates?.images);
  }

  private async measure(step: number, { onlyMissing, measured }: { onlyMissing: boolean; measured: boolean }) {
    const { options, settings, validation, softTokens, context } = this.parts;
    const every = options.saveEvery || settings.steps;
    const due = (interval = every) => step % interval === 0 || step === settings.steps;
    if (due(options.sampleEvery)) await this.previews.draw(step, softTokens, onlyMissing);
    if (validation === null || measured || !due(options.validateEvery)) return;
    const { reporter, signal } = context;
    const result = await validation.run({
      signal,
      onProgress: (done, total) => reporter.progress(`validation of step ${step}`, done, total),
    });
    await this.log.append({ step, validation: result });
    this.scalars?.validation(step, result);
    reporter.event("validation", { step, ...result }, validationLine(step, result));
    const { loss, rank1, gap, matched } = result;
    this.metrics = { loss, rank1, gap, matched };
    this.history.push({ step, gap, matched });
    const warning = this.warned ? undefined : overPushWarning(this.history);
    if (warning === undefined) return;
    this.warned = true;
    reporter.warn(warning);
  }

  private async save(state: TrainingState): Promise<void> {
    const { options, folder, fingerprints } = this.parts;
    // The log first: a checkpoint's own lines are then on disk as surely as itself.
    await this.log.sync();
    const softTokens = this.described(state.step);
    const checkpoint = { softTokens, state, metrics: this.metrics, fingerprints };
    await folder.save(checkpoint, { last: options.keepLast, best: bestBy(options.best) });
    this.saved = state.step;
    this.parts.context.reporter.event("checkpoint", { step: state.step, folder: folder.checkpointAt(state.step) });
  }

  /** The tokens with who made them. */
  private described(steps: number): SoftTokens {
    const { options, settings, pipeline, fingerprints, softTokens } = this.parts;
    const { batch, learningRate: lr, temperature, scale, dweight, seed, weightDecay } = settings;
    return withProvenance(softTokens, pipeline.family, {
      version: packageVersion(),
      base: { name: modelName(options.model), hash: fingerprints.model },
      steps,
      resolution: settings.resolution,
      data: fingerprints.data,
      settings: {
        ...{ objective: options.objective, batch, lr, weight_decay: weightDecay, temperature, scale, dweight, seed },
      },
    });
  }
}

function validationLine(step: number, { loss, rank1, gap }: ValidationResult): string {
  return `validation after ${step} steps: loss ${loss.toFixed(4)}, rank1 ${rank1.toFixed(2)}, gap ${gap.toFixed(4)}`;
}
