/** @file Evaluates matrices of denoising errors: rows of image-caption pairs, a few pairs per run of the graph. */

import { type Abortable, throwIfAborted, UsageError } from "../core/errors.js";
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
  /** Shared by all images or one per image, [1 or images, channels, h, w]. */
  readonly noise: FloatTensor;
  /** An integer in 0..999. */
  readonly timestep: number;
  /** The captions that rows index. */
  readonly conditioning: Conditioning;
  /** Effective soft tokens at the timestep, [layers, count, width]; null for the plain model. */
  readonly softTokens: FloatTensor | null;
}

/** The image and the captions of a row, as indices into the feeds. */
export type MatrixRow = Pick<CandidateRow, "image" | "captions">;

export interface RowErrors {
  /** One per caption. */
  readonly errors: readonly number[];
  /** d error / d soft tokens of each caption; empty arrays if the graph computes no gradients. */
  readonly gradients: readonly Float32Array[];
}

export interface EvaluatorOptions<Row extends MatrixRow> extends Omit<PairErrorOptions, "targets"> {
  /** Computes the targets [pairs, channels, h, w] of a row from its predictions; by default, the denoiser's own target. */
  readonly targets?: ((row: Row, predictions: FloatTensor, target: FloatTensor) => FloatTensor) | undefined;
}

/**
 * With shared images, each row is divided into runs separately; with one image per pair, all rows are divided together. The last
 * run is padded by repeating its last pair.
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
   * Yields the rows in order, each as soon as its last pair has run.
   *
   * @throws InterruptedError before the next run of a graph if the signal is aborted
   */
  async *rows(
    feeds: ErrorFeeds,
    rows: readonly Row[],
    options: Abortable = {},
  ): AsyncGenerator<Row & RowErrors, void, undefined> {
    const groups = this.options.images === "shared" ? rows.map((row) => [row]) : [rows];
    for (const group of groups) yield* this.group(feeds, group, options);
  }

  async release(): Promise<void> {
    await this.pairErrors.release();
    await this.predictions?.release();
  }

  /** Evaluates rows whose pairs are divided into runs together. */
  private async *group(
    feeds: ErrorFeeds,
    group: readonly Row[],
    { signal }: Abortable,
  ): AsyncGenerator<Row & RowErrors, void, undefined> {
    const targets = this.predictions && (await this.targetsOf(feeds, group, this.predictions, signal));
    const pending: { readonly error: number; readonly gradient: Float32Array }[] = [];
    let next = 0;
    for (const { pairs, real, target, ...run } of this.runs(feeds, group)) {
      throwIfAborted(signal);
      const positions = pairs.map(({ position }) => position);
      const { errors, gradients } = await this.pairErrors.run({
        ...run,
        target: targets === null ? target : pickRows(targets, positions),
      });
      const size = gradients.length / pairs.length;
      for (const [k, error] of errors.subarray(0, real).entries()) {
        pending.push({ error, gradient: gradients.subarray(k * size, (k + 1) * size) });
      }
      for (; next < group.length; next++) {
        const row = at(group, next);
        if (pending.length < row.captions.length) break;
        const finished = pending.splice(0, row.captions.length);
        yield {
          ...row,
          errors: finished.map(({ error }) => error),
          gradients: finished.map(({ gradient }) => gradient),
        };
      }
    }
  }

  /** The feeds of each run, including the denoiser's own target; only the first `real` pairs of a run count. */
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

  /** The targets of all pairs of the group in order, [pairs, channels, h, w]. */
  private async targetsOf(
    feeds: ErrorFeeds,
    group: readonly Row[],
    predictions: PairPredictions,
    signal: AbortSignal | undefined,
  ): Promise<FloatTensor> {
    const predicted: FloatTensor[] = [];
    const standard: FloatTensor[] = [];
    for (const { real, pairs, target, ...run } of this.runs(feeds, group)) {
      throwIfAborted(signal);
      predicted.push(rowsOf(await predictions.run(run), 0, real));
      for (let k = 0; k < real; k++) standard.push(target.shape[0] === 1 ? target : rowsOf(target, k, k + 1));
    }
    const all = concatRows(predicted);
    const targets: FloatTensor[] = [];
    let start = 0;
    for (const row of group) {
      const end = start + row.captions.length;
      const rowPredictions = rowsOf(all, start, end);
      const given = this.options.targets?.(row, rowPredictions, at(standard, start));
      if (given === undefined || !sameShape(given.shape, rowPredictions.shape)) {
        const actual = given === undefined ? "none" : formatShape(given.shape);
        throw new UsageError(
          `targets of a row must be ${formatShape(rowPredictions.shape)}, the shape of its predictions, not ${actual}`,
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
