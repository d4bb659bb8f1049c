/** @file The values of `softrepa edit --grid`: one or two options, each with its values. */

import { UsageError } from "../../core/errors.js";
import { keyOf } from "../../runs/config/keys.js";
import { methodOptionNames } from "./method-options.js";

export interface GridAxis {
  /** Option of the method: "nMax". */
  readonly option: string;
  readonly values: readonly (number | string)[];
}

/** Cells of a grid at most. */
const most = 400;

/** `n-max=20..40:5` (from, to, step) or `target-guidance=5,9,13.5`; the first axis has the rows. */
export function parseGrid(typed: readonly string[]): readonly GridAxis[] {
  const axes = typed.map(parseAxis);
  if (axes.length > 2) throw new UsageError("`grid` takes one or two options");
  const [first, second] = axes;
  if (second !== undefined && first?.option === second.option) {
    throw new UsageError(`\`grid\` has ${keyOf(second.option)} twice`);
  }
  const cells = axes.reduce((product, { values }) => product * values.length, 1);
  if (cells > most) throw new UsageError(`\`grid\` has ${cells} cells, at most ${most} are possible`);
  return axes;
}

function parseAxis(typed: string): GridAxis {
  const [, key = "", list = ""] = /^([a-z-]+)=(.+)$/.exec(typed) ?? [];
  const option = methodOptionNames.find((name) => keyOf(name) === key);
  if (option === undefined) {
    throw new UsageError(`\`grid\` ${typed} must be an option of the method with values, such as n-max=20..40:5`);
  }
  const values = list.includes("..") ? range(list, typed) : list.split(",").map(parseValue);
  return { option, values };
}

function parseValue(part: string): number | string {
  const trimmed = part.trim();
  return trimmed !== "" && Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

function range(list: string, typed: string): readonly number[] {
  const [, from, to, step] = /^([\d.]+?)\.\.([\d.]+):([\d.]+)$/.exec(list)?.map(Number) ?? [];
  if (from === undefined || to === undefined || step === undefined || !(step > 0) || !(to >= from)) {
    throw new UsageError(`\`grid\` ${typed} must have a range FROM..TO:STEP`);
  }
  const count = Math.floor((to - from) / step + 1e-9) + 1;
  if (count > most) throw new UsageError(`\`grid\` ${typed} has ${count} values, at most ${most} are possible`);
  // Rounded, so that 0.1..0.3:0.1 has 0.3.
  return Array.from({ length: count }, (_, i) => Number((from + i * step).toPrecision(12)));
}
