/** @file Test cases of operators: inputs and attributes. */

import { type DType, formatShape, type Shape, sizeOf } from "../../core/tensor.js";
import type { OperatorAttributes, OperatorName } from "../../graph/operators/attributes.js";
import { uniforms } from "./nd-array.js";

/** An input; `nonzero` values stay away from 0 (kinks and poles), `positive` ones are at least 0.5. */
export interface CaseInput {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly values: "any" | "nonzero" | "positive" | readonly number[];
}

export interface Case<Attributes> {
  readonly inputs: readonly CaseInput[];
  readonly attributes: Attributes;
}

/** One or more cases. */
export type CaseList<Attributes> = readonly [Case<Attributes>, ...Case<Attributes>[]];

/** At least one case for each of some operators; the union of all tables must cover every name. */
export type Cases<Names extends OperatorName> = { readonly [K in Names]: CaseList<OperatorAttributes[K]> };

export function any(...shape: number[]): CaseInput {
  return { dtype: "float32", shape, values: "any" };
}

export function nonzero(...shape: number[]): CaseInput {
  return { dtype: "float32", shape, values: "nonzero" };
}

export function positive(...shape: number[]): CaseInput {
  return { dtype: "float32", shape, values: "positive" };
}

/** An input with the given values, of any type. */
export function given(dtype: DType, shape: Shape, values: readonly number[]): CaseInput {
  return { dtype, shape, values };
}

/** Values for an input, reproducible by `seed` and rounded to float32 so that every engine gets the same. */
export function valuesFor({ shape, values }: CaseInput, seed: number): Float64Array {
  if (typeof values !== "string") return Float64Array.from(values);
  const uniform = uniforms(seed);
  const drawn = Float64Array.from({ length: sizeOf(shape) }, () => {
    const sign = uniform() < 0.5 ? -1 : 1;
    switch (values) {
      case "any":
        return sign * 2 * uniform();
      case "nonzero":
        return sign * (0.3 + 1.5 * uniform());
      case "positive":
        return 0.5 + 2 * uniform();
    }
  });
  return drawn.map(Math.fround);
}

/** A test title such as `float32[2,3], int64[4] axis=1`. */
export function titleOf({ inputs, attributes }: Case<object>): string {
  const types = inputs.map(({ dtype, shape }) => `${dtype}${formatShape(shape)}`).join(", ");
  const settings = Object.entries(attributes).flatMap(([name, value]) =>
    value === false || (typeof value === "object" && !Array.isArray(value)) ? [] : [`${name}=${value}`],
  );
  return [types, ...settings].join(" ");
}
