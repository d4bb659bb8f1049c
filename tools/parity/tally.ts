/** @file Goldens as they are run: a line each, and the count of how they went. */

import { messageOf } from "#softrepa/core/errors.js";
import { type Comparison, formatComparison } from "./compare.js";

export class Tally {
  passed = 0;
  failed = 0;
  notCovered = 0;

  /** Runs one golden; it fails where it throws, and where there was nothing to compare. */
  async attempt(folder: string, golden: string, comparisons: AsyncIterable<Comparison>): Promise<void> {
    let count = 0;
    try {
      for await (const comparison of comparisons) {
        count++;
        const name = `${golden.replace(/\.(safetensors|json)$/, "")} ${comparison.name}`.trimEnd();
        this.report(folder, formatComparison({ ...comparison, name }));
      }
      if (count === 0) this.report(folder, `${golden.padEnd(44)} FAIL (it holds nothing to compare)`);
    } catch (error) {
      this.report(folder, `${golden.padEnd(44)} FAIL (${messageOf(error)})`);
    }
  }

  /** Prints a golden's line and counts its verdict, which stands in it. */
  report(folder: string, line: string): void {
    if (/ FAIL( |$)/.test(line)) this.failed++;
    else if (/ ok( |$)/.test(line)) this.passed++;
    process.stdout.write(`${folder}/${line}\n`);
  }

  /** Prints the counts; nothing passed is no success. */
  finish(): void {
    process.stdout.write(`${this.passed} passed, ${this.failed} failed, ${this.notCovered} not covered yet\n`);
    if (this.failed > 0 || this.passed === 0) process.exitCode = 1;
  }
}
