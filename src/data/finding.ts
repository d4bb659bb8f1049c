/** @file Faults in parts of a data set, which callers collect (skipping the part) or throw. */

import { InputError } from "../core/errors.js";

/** Reasons why a part cannot be used. */
export const faultKinds = [
  "damaged-file",
  "unreadable-image",
  "missing-image",
  "missing-caption",
  "bad-caption",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** A part of a data set that cannot be used. */
export interface Fault {
  readonly kind: FaultKind;
  /** Id of the image, or file and line. */
  readonly where: string;
  /** One line that names the place and the fault. */
  readonly message: string;
}

/** Called for each fault, whose part is then skipped; may throw to stop instead. */
export type ReportFault = (fault: Fault) => void;

/** Runs `body` for one part; an InputError is reported as a fault, with the result undefined. */
export async function attempt<T>(
  report: ReportFault,
  kind: FaultKind,
  where: string,
  body: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    report({ kind, where, message: error.message });
    return undefined;
  }
}

/** Faults kept per kind; others are only counted, since a damaged file may have millions. */
const maxKeptPerKind = 1000;

/** Collects faults in bounded memory. */
export class Faults {
  readonly kept: Fault[] = [];
  private readonly counts = new Map<FaultKind, number>();

  readonly add: ReportFault = (fault) => {
    const count = this.count(fault.kind) + 1;
    this.counts.set(fault.kind, count);
    if (count <= maxKeptPerKind) this.kept.push(fault);
  };

  count(kind: FaultKind): number {
    return this.counts.get(kind) ?? 0;
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }
}
