/** @file Cases that an operator is tested on: what its inputs look like and its attributes. */

import { type DType, formatShape, type Shape, sizeOf } from "../../core/tensor.js";
import type { OperatorAttributes, OperatorName } from "../../graph/operators/attributes.js";
import { uniforms } from "./numbers.js";

/** An input; `nonzero` keeps clear of 0 (kinks and poles), `positive` is at least 0.5. */
export interface CaseInput {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly values: "any" | "nonzero" | "positive" | readonly number[];
}

export interface Case<Attributes> {
  readonly inputs: readonly CaseInput[];
  readonly attributes: Attributes;
}

/** One case or more. */
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

/** Given numbers, of any type. */
export function given(dtype: DType, shape: Shape, values: readonly number[]): CaseInput {
  return { dtype, shape, values };
}

/** The numbers of an input, rounded to float32 so that every engine is given the same; equal seeds give equal ones. */
export function numbersFor({ shape, values }: CaseInput, seed: number): Float64Array {
  if (typeof values !== "string") return Float64Array.from(values);
  const uniform = uniforms(seed);
  const numbers = Float64Array.from({ length: sizeOf(shape) }, () => {
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
  return numbers.map(Math.fround);
}

/** `float32[2,3], int64[4] {axis: 1}`, the name of a test. */
export function titleOf({ inputs, attributes }: Case<object>): string {
  const types = inputs.map(({ dtype, shape }) => `${dtype}${formatShape(shape)}`).join(", ");
  const settings = Object.entries(attributes).flatMap(([name, value]) =>
    value === false || (typeof value === "object" && !Array.isArray(value)) ? [] : [`${name}=${value}`],
  );
  return [types, ...settings].join(" ");
}
