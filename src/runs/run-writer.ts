/** @file Writes the files of a run during training, in an order that survives a kill at any moment. */

import { join } from "node:path";
import { InterruptedError, messageOf } from "../core/errors.js";
import { writeFileAtomic } from "../core/files.js";
import { packageVersion } from "../core/version.js";
import { pairsPerRow } from "../objectives/candidates.js";
import type { Objective } from "../objectives/objective.js";
import { modelName } from "../pipelines/model-name.js";
import type { DiffusionPipeline } from "../pipelines/pipeline.js";
import { writeSoftTokens } from "../softtokens/formats/index.js";
import { withProvenance } from "../softtokens/provenance.js";
import type { SoftTokens } from "../softtokens/softtokens.js";
import { type GapSample, runawayGapWarning } from "../training/runaway-gap.js";
import { Throughput } from "../training/throughput.js";
import type { TrainStep } from "../training/train.js";
import type { TrainingState } from "../training/training-state.js";
import type { Validation } from "../training/validation.js";
import type { CompleteSpec } from "./complete-spec.js";
import type { RunEvent, RunHooks } from "./events.js";
import type { Checkpoint, Fingerprints } from "./folder/checkpoint.js";
import type { BestBy, RunFolder } from "./folder/run-folder.js";
import { RunLog } from "./folder/run-log.js";
import { Previews } from "./previews.js";
import type { RunSettings } from "./settings.js";
import { pushSampleOf, TrainingScalars } from "./training-scalars.js";

export interface WriterParts {
  readonly spec: CompleteSpec;
  readonly settings: RunSettings;
  readonly pipeline: DiffusionPipeline;
  readonly softTokens: SoftTokens;
  readonly objective: Objective;
  readonly folder: RunFolder;
  readonly fingerprints: Fingerprints;
  /** Texts of config.yaml and of its schema. */
  readonly config: { readonly yaml: string; readonly schema: string };
  readonly validation: Validation | null;
  /** The checkpoint to resume from. */
  readonly from: Checkpoint | undefined;
  readonly hooks: RunHooks;
}

/** How to choose the best checkpoint. */
export function bestBy(metric: CompleteSpec["best"]): BestBy {
  return { metric, better: metric === "rank1" || metric === "gap" ? "higher" : "lower" };
}

export class RunWriter {
  private readonly log: RunLog;
  private readonly previews: Previews;
  private readonly throughput: Throughput;
  private scalars: TrainingScalars | null = null;
  private history: GapSample[] = [];
  private warned = false;
  private started = false;
  private stepStarted = performance.now();
  private seconds = 0;
  /** State after the last finished step of this call. */
  private lastState: TrainingState | undefined;
  private metrics: Checkpoint["metrics"] = {};
  private savedStep = -1;

  constructor(private readonly parts: WriterParts) {
    const { spec, pipeline, folder, hooks, settings, objective } = parts;
    this.log = new RunLog(folder.log);
    this.previews = new Previews(pipeline, folder, spec, hooks);
    const { candidates } = objective;
    this.throughput = new Throughput(settings.batch, settings.batch * pairsPerRow(candidates, settings.batch));
  }

  /** Encodes prompts and images of previews and validation in advance; if interrupted, they encode them later. */
  async prepare(): Promise<void> {
    const { validation, hooks } = this.parts;
    try {
      await this.previews.prepare();
      await validation?.prepare(hooks);
    } catch (error) {
      if (!(error instanceof InterruptedError)) throw error;
    }
  }

  /** Called before the first step, after the data have been read, so that unusable data leave no files behind. */
  async start(): Promise<void> {
    if (this.started) return;
    this.started = true;
    const { folder, config, from, spec } = this.parts;
    if (from === undefined) await folder.clear();
    else await folder.sweep();
    if (spec.tensorboard) this.scalars = new TrainingScalars(folder.path, (from?.state.step ?? 0) + 1);
    await writeFileAtomic(join(folder.path, "config.schema.json"), config.schema);
    await writeFileAtomic(folder.config, config.yaml);
    const step = from?.state.step ?? 0;
    this.metrics = from?.metrics ?? {};
    this.savedStep = from === undefined ? -1 : step;
    const lines = from === undefined ? await this.log.begin() : await this.log.rewind(step);
    this.history = (lines ?? []).flatMap(pushSampleOf);
    const measured = Object.keys(this.metrics).length > 0 || this.history.some((sample) => sample.step === step);
    await this.measure(step, { onlyMissing: true, measured });
    // A run interrupted during validation has a checkpoint without metrics.
    if (from !== undefined && !measured && Object.keys(this.metrics).length > 0) await this.save(from.state);
    this.stepStarted = performance.now();
  }

  async afterStep(step: TrainStep, state: TrainingState): Promise<void> {
    const { spec, settings, hooks } = this.parts;
    const seconds = (performance.now() - this.stepStarted) / 1000;
    this.throughput.add(seconds);
    this.seconds += seconds;
    this.lastState = state;
    this.metrics = {};
    await this.log.append({ ...step });
    const rates = this.throughput.rates();
    this.emit({ type: "step", ...step, steps: settings.steps, rates });
    this.scalars?.step(step, rates?.images);
    try {
      await this.measure(step.step, { onlyMissing: false, measured: false });
    } catch (error) {
      // A stop request saves the step first.
      if (!(error instanceof InterruptedError)) throw error;
    }
    const due = spec.saveEvery > 0 && step.step % spec.saveEvery === 0;
    if (due || step.step === settings.steps || hooks.signal?.aborted) await this.save(state);
    this.stepStarted = performance.now();
  }

  /** Seconds spent in steps of this call, without validation and samples. */
  get stepSeconds(): number {
    return this.seconds;
  }

  /** Saves the last finished step unless it is saved already. */
  async finish(): Promise<void> {
    if (this.lastState !== undefined && this.lastState.step !== this.savedStep) await this.save(this.lastState);
  }

  async close(): Promise<void> {
    await this.scalars?.close().catch((error: unknown) => this.warn(messageOf(error)));
  }

  /** As `finish`, after a failure: a second failure is only a warning. */
  async rescue(): Promise<void> {
    await this.finish().catch((error: unknown) => {
      this.warn(`cannot save the last step: ${messageOf(error)}`);
    });
  }

  /** Writes the current tokens to `tokens.safetensors`. */
  async writeTokens(step: number): Promise<void> {
    await writeSoftTokens(this.parts.folder.tokens, this.withRunProvenance(step), "softrepa");
  }

  private emit(event: RunEvent): void {
    this.parts.hooks.emit(event);
  }

  private warn(message: string): void {
    this.emit({ type: "warning", message });
  }

  private async measure(step: number, { onlyMissing, measured }: { onlyMissing: boolean; measured: boolean }) {
    const { spec, settings, validation, softTokens, hooks } = this.parts;
    const every = spec.saveEvery || settings.steps;
    const due = (interval = every) => step % interval === 0 || step === settings.steps;
    if (due(spec.sampleEvery)) await this.previews.generate(step, softTokens, onlyMissing);
    if (validation === null || measured || !due(spec.validateEvery)) return;
    const { emit, signal } = hooks;
    const label = `validation of step ${step}`;
    const result = await validation.run({
      signal,
      onProgress: (done, total) => emit({ type: "progress", label, done, total }),
    });
    await this.log.append({ step, validation: result });
    this.scalars?.validation(step, result);
    emit({ type: "validation", step, ...result });
    const { loss, rank1, gap, matched } = result;
    this.metrics = { loss, rank1, gap, matched };
    this.history.push({ step, gap, matched });
    const warning = this.warned ? undefined : runawayGapWarning(this.history);
    if (warning === undefined) return;
    this.warned = true;
    this.warn(warning);
  }

  private async save(state: TrainingState): Promise<void> {
    const { spec, folder, fingerprints } = this.parts;
    // Sync the log first, so that it contains the lines of every checkpoint on disk.
    await this.log.sync();
    const softTokens = this.withRunProvenance(state.step);
    const checkpoint = { softTokens, state, metrics: this.metrics, fingerprints };
    await folder.save(checkpoint, { last: spec.keepLast, best: bestBy(spec.best) });
    this.savedStep = state.step;
    this.emit({ type: "checkpoint", step: state.step, folder: folder.checkpointAt(state.step) });
  }

  /** The tokens with metadata about the run. */
  private withRunProvenance(steps: number): SoftTokens {
    const { spec, settings, pipeline, fingerprints, softTokens } = this.parts;
    const { batch, learningRate: lr, temperature, scale, dweight, seed, weightDecay } = settings;
    return withProvenance(softTokens, pipeline, {
      version: packageVersion(),
      base: { name: modelName(pipeline.origin), hash: fingerprints.model },
      steps,
      resolution: settings.resolution,
      data: fingerprints.data,
      settings: {
        ...{ objective: spec.objective, batch, lr, weight_decay: weightDecay, temperature, scale, dweight, seed },
      },
    });
  }
}
