/** @file Cosine annealing with warm restarts (arXiv 1608.03983), as torch.optim.lr_scheduler.CosineAnnealingWarmRestarts. */

export interface CosineRestarts {
  readonly learningRate: number;
  /** Length of a period in scheduler steps (T_0; all periods are equal). */
  readonly period: number;
  /** Minimum (eta_min). */
  readonly minimum: number;
}

/** The learning rate after `schedulerSteps` steps of the scheduler. */
export function cosineRestarts({ learningRate, period, minimum }: CosineRestarts, schedulerSteps: number): number {
  const position = (schedulerSteps % period) / period;
  return minimum + ((learningRate - minimum) * (1 + Math.cos(Math.PI * position))) / 2;
}
