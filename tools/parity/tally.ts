/** @file Runs goldens, prints a line for each, and counts the results. */

import { messageOf } from "#softrepa/core/errors.js";
import { type Comparison, formatComparison } from "./compare.js";

export class Tally {
  passed = 0;
  failed = 0;
  notCovered = 0;

  /** Runs one golden, which fails if it throws or compares nothing. */
  async attempt(folder: string, golden: string, comparisons: AsyncIterable<Comparison>): Promise<void> {
    let count = 0;
    try {
      for await (const comparison of comparisons) {
        count++;
        const name = `${golden.replace(/\.(safetensors|json)$/, "")} ${comparison.name}`.trimEnd();
        this.report(folder, formatComparison({ ...comparison, name }));
      }
      if (count === 0) this.report(folder, `${golden.padEnd(44)} FAIL (it has nothing to compare)`);
    } catch (error) {
      this.report(folder, `${golden.padEnd(44)} FAIL (${messageOf(error)})`);
    }
  }

  /** Prints a golden's line and counts the verdict that it contains. */
  report(folder: string, line: string): void {
    if (/ FAIL( |$)/.test(line)) this.failed++;
    else if (/ ok( |$)/.test(line)) this.passed++;
    process.stdout.write(`${folder}/${line}\n`);
  }

  /** Prints the counts and sets the exit code: 1 if anything failed or nothing passed. */
  finish(): void {
    process.stdout.write(`${this.passed} passed, ${this.failed} failed, ${this.notCovered} not covered yet\n`);
    if (this.failed > 0 || this.passed === 0) process.exitCode = 1;
  }
}
