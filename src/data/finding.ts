/** @file What is wrong with a part of a data set: collected by whoever goes on without the part, thrown by whoever does not. */

import { InputError } from "../core/errors.js";

/** What makes a part unusable. */
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
  /** The id of the image, or the file and line. */
  readonly where: string;
  /** One line that names the place and what is wrong there. */
  readonly message: string;
}

/** Takes a fault; the part is then left out. A strict one throws. */
export type ReportFault = (fault: Fault) => void;

/** Does one part; an InputError becomes a fault of that part, and the result is undefined. */
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

/** Faults that are kept of each kind; the rest is counted. A damaged file may hold millions. */
const keptOfKind = 1000;

/** Collects faults in bounded memory. */
export class Faults {
  readonly kept: Fault[] = [];
  private readonly counts = new Map<FaultKind, number>();

  readonly add: ReportFault = (fault) => {
    const count = this.count(fault.kind) + 1;
    this.counts.set(fault.kind, count);
    if (count <= keptOfKind) this.kept.push(fault);
  };

  count(kind: FaultKind): number {
    return this.counts.get(kind) ?? 0;
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }
}
