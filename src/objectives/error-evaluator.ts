/** @file The one evaluator of matrices of denoising errors: rows of image-caption pairs, a few pairs per run of the graph. */

import { type Stoppable, stopIfAsked, UsageError } from "../core/errors.js";
import { at } from "../core/lists.js";
import { concatRows, type FloatTensor, floatTensor, formatShape, rows as rowsOf, sameShape } from "../core/tensor.js";
import { selectConditioning } from "../pipelines/conditioning.js";
import { paddedBatches } from "../pipelines/padded-batches.js";
import type { Conditioning, Denoiser } from "../pipelines/pipeline.js";
import { noisySample } from "../schedulers/index.js";
import type { CandidateRow } from "./candidates.js";
import { compilePairErrors, type PairErrorOptions, type PairErrors } from "./pair-errors.js";
import { compilePairPredictions, type PairPredictions } from "./pair-predictions.js";

export interface ErrorFeeds {
  /** Clean latents, [images, channels, h, w]. */
  readonly latents: FloatTensor;
  /** One for all images, or one for each, [1 or images, channels, h, w]. */
  readonly noise: FloatTensor;
  /** An integer in 0..999. */
  readonly timestep: number;
  /** The texts that captions of rows are indices of. */
  readonly conditioning: Conditioning;
  /** Effective tokens at the timestep, [layers, count, width]; null for the plain model. */
  readonly softTokens: FloatTensor | null;
}

/** The image of a row and its captions, by their indices in the feeds. */
export type MatrixRow = Pick<CandidateRow, "image" | "captions">;

export interface RowErrors {
  /** One per caption. */
  readonly errors: readonly number[];
  /** d error / d soft tokens of each caption; empty arrays where the graph computes none. */
  readonly gradients: readonly Float32Array[];
}

export interface EvaluatorOptions<Row extends MatrixRow> extends Omit<PairErrorOptions, "targets"> {
  /** Targets [pairs, channels, h, w] of a row from the predictions for its pairs; without it, the denoiser's own. */
  readonly targets?: ((row: Row, predictions: FloatTensor, target: FloatTensor) => FloatTensor) | undefined;
}

/**
 * With shared images, every row is divided into runs by itself, the last of them filled up with its last pair; with one image
 * for each pair, all rows are divided into runs together.
 */
export class ErrorEvaluator<Row extends MatrixRow = MatrixRow> {
  private constructor(
    private readonly denoiser: Denoiser,
    private readonly options: EvaluatorOptions<Row>,
    private readonly pairErrors: PairErrors,
    private readonly predictions: PairPredictions | null,
  ) {}

  static async open<Row extends MatrixRow = MatrixRow>(
    denoiser: Denoiser,
    options: EvaluatorOptions<Row>,
  ): Promise<ErrorEvaluator<Row>> {
    const { targets, ...graph } = options;
    if (targets === undefined) {
      return new ErrorEvaluator(denoiser, options, await compilePairErrors(denoiser, graph), null);
    }
    const predictions = await compilePairPredictions(denoiser, graph);
    const errors = await compilePairErrors(denoiser, { ...graph, targets: "each" });
    return new ErrorEvaluator(denoiser, options, errors, predictions);
  }

  /**
   * Rows in their order, each as soon as its last pair has been run.
   *
   * @throws InterruptedError before the next run of a graph where the signal is aborted
   */
  async *rows(
    feeds: ErrorFeeds,
    rows: readonly Row[],
    options: Stoppable = {},
  ): AsyncGenerator<Row & RowErrors, void, undefined> {
    const groups = this.options.images === "shared" ? rows.map((row) => [row]) : [rows];
    for (const group of groups) yield* this.group(feeds, group, options);
  }

  async release(): Promise<void> {
    await this.pairErrors.release();
    await this.predictions?.release();
  }

  /** Rows whose pairs are divided into runs together. */
  private async *group(
    feeds: ErrorFeeds,
    group: readonly Row[],
    { signal }: Stoppable,
  ): AsyncGenerator<Row & RowErrors, void, undefined> {
    const targets = this.predictions && (await this.targetsOf(feeds, group, this.predictions, signal));
    const waiting: { readonly error: number; readonly gradient: Float32Array }[] = [];
    let next = 0;
    for (const { pairs, real, target, ...run } of this.runs(feeds, group)) {
      stopIfAsked(signal);
      const positions = pairs.map(({ position }) => position);
      const { errors, gradients } = await this.pairErrors.run({
        ...run,
        target: targets === null ? target : pickRows(targets, positions),
      });
      const size = gradients.length / pairs.length;
      for (const [k, error] of errors.subarray(0, real).entries()) {
        waiting.push({ error, gradient: gradients.subarray(k * size, (k + 1) * size) });
      }
      for (; next < group.length; next++) {
        const row = at(group, next);
        if (waiting.length < row.captions.length) break;
        const done = waiting.splice(0, row.captions.length);
        yield { ...row, errors: done.map(({ error }) => error), gradients: done.map(({ gradient }) => gradient) };
      }
    }
  }

  /** What each run is fed with, the own target among it; the last run repeats its last pair, whose repetitions nobody reads. */
  private *runs(feeds: ErrorFeeds, group: readonly Row[]) {
    const { latents, noise, timestep, conditioning, softTokens } = feeds;
    const images = (indices: readonly number[]) =>
      noisySample(
        this.denoiser.scheduler,
        pickRows(latents, indices),
        noise.shape[0] === 1 ? noise : pickRows(noise, indices),
        timestep,
      );
    const shared = this.options.images === "shared" ? images(group.slice(0, 1).map(({ image }) => image)) : null;
    const all = group.flatMap(({ image, captions }) => captions.map((caption) => ({ image, caption })));
    const positioned = all.map((pair, position) => ({ ...pair, position }));
    for (const { batch: pairs, real } of paddedBatches(positioned, this.options.plan.pairsPerRun)) {
      const { sample, target } = shared ?? images(pairs.map(({ image }) => image));
      const texts = selectConditioning(
        conditioning,
        pairs.map(({ caption }) => caption),
      );
      const time = floatTensor([1], Float32Array.of(timestep));
      yield { pairs, real, target, sample, timestep: time, conditioning: texts, softTokens };
    }
  }

  /** Of all pairs of the group in their order, [pairs, channels, h, w]. */
  private async targetsOf(
    feeds: ErrorFeeds,
    group: readonly Row[],
    predictions: PairPredictions,
    signal: AbortSignal | undefined,
  ): Promise<FloatTensor> {
    const predicted: FloatTensor[] = [];
    const own: FloatTensor[] = [];
    for (const { real, pairs, target, ...run } of this.runs(feeds, group)) {
      stopIfAsked(signal);
      predicted.push(rowsOf(await predictions.run(run), 0, real));
      for (let k = 0; k < real; k++) own.push(target.shape[0] === 1 ? target : rowsOf(target, k, k + 1));
    }
    const all = concatRows(predicted);
    const targets: FloatTensor[] = [];
    let start = 0;
    for (const row of group) {
      const end = start + row.captions.length;
      const wanted = rowsOf(all, start, end);
      const given = this.options.targets?.(row, wanted, at(own, start));
      if (given === undefined || !sameShape(given.shape, wanted.shape)) {
        const got = given === undefined ? "none" : formatShape(given.shape);
        throw new UsageError(
          `targets of a row must be ${formatShape(wanted.shape)} as its predictions are, got ${got}`,
        );
      }
      targets.push(given);
      start = end;
    }
    return concatRows(targets);
  }
}

function pickRows(tensor: FloatTensor, indices: readonly number[]): FloatTensor {
  return concatRows(indices.map((index) => rowsOf(tensor, index, index + 1)));
}
