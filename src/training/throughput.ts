/** @file Training throughput over the last steps. */

/** Steps in the moving average. */
const recentSteps = 30;

export class Throughput {
  private readonly seconds: number[] = [];

  constructor(
    /** Per step. */
    private readonly images: number,
    private readonly pairs: number,
  ) {}

  add(stepSeconds: number): void {
    this.seconds.push(stepSeconds);
    if (this.seconds.length > recentSteps) this.seconds.shift();
  }

  /** Per second; undefined before the first step. */
  rates(): { readonly images: number; readonly pairs: number } | undefined {
    const sum = this.seconds.reduce((total, value) => total + value, 0);
    if (sum === 0) return undefined;
    const steps = this.seconds.length / sum;
    return { images: this.images * steps, pairs: this.pairs * steps };
  }
}
