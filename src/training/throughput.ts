/** @file How fast training goes, over the recent past. */

/** Steps that the mean is taken over. */
const recentSteps = 30;

export class Throughput {
  private readonly seconds: number[] = [];

  constructor(
    /** Images a step, and image-caption pairs. */
    private readonly images: number,
    private readonly pairs: number,
  ) {}

  add(secondsOfStep: number): void {
    this.seconds.push(secondsOfStep);
    if (this.seconds.length > recentSteps) this.seconds.shift();
  }

  /** A second; undefined before the first step. */
  rates(): { readonly images: number; readonly pairs: number } | undefined {
    const sum = this.seconds.reduce((total, value) => total + value, 0);
    if (sum === 0) return undefined;
    const steps = this.seconds.length / sum;
    return { images: this.images * steps, pairs: this.pairs * steps };
  }
}
