import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { repetitions } from "../testing/core/repetitions.js";
import { bitsOf } from "../testing/weights/support.js";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "./half.js";

const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const fromBits = (bits: number) => new Float32Array(Uint32Array.of(bits).buffer);
const hex = (value: number) => `0x${value.toString(16)}`;

/** The definition of a binary format, in doubles. */
function definition(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >>> (exponentBits + fractionBits) ? -1 : 1;
  const exponent = (bits >>> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

const formats = [
  { name: "float16", widen: float16ToFloat32, narrow: float32ToFloat16, exponent: 5, fraction: 10 },
  { name: "bfloat16", widen: bfloat16ToFloat32, narrow: float32ToBfloat16, exponent: 8, fraction: 7 },
];

for (const { name, widen, narrow, exponent, fraction } of formats) {
  const infinity = (2 ** exponent - 1) << fraction;
  /** Every non-negative finite value, in the order of the bit patterns. */
  const ladder = Array.from({ length: infinity }, (_, bits) => definition(bits, exponent, fraction));
  /** The next value after the largest finite one, for rounding to infinity. */ const beyond =
    2 ** (2 ** (exponent - 1));

  /** Nearest value, ties to the even pattern, found by bisection. */
  function nearest(value: number): number {
    const magnitude = Math.abs(value);
    const sign = Object.is(Math.sign(value), -0) || value < 0 ? 0x8000 : 0;
    let low = 0;
    let high = infinity;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((ladder[middle] as number) <= magnitude) low = middle;
      else high = middle;
    }
    const below = magnitude - (ladder[low] as number);
    const above = (ladder[high] ?? beyond) - magnitude;
    return sign | (below < above || (below === above && low % 2 === 0) ? low : high);
  }

  describe(name, () => {
    it("widens each of the 65,536 patterns to its value", () => {
      const wide = widen(all);
      for (const bits of all) {
        assert.ok(Object.is(wide[bits], definition(bits, exponent, fraction)), `${hex(bits)} became ${wide[bits]}`);
      }
    });

    it("narrows each of them back, NaN payloads included", () => {
      assert.deepEqual(narrow(widen(all)), all);
    });

    it("rounds to the nearest, ties to even", () => {
      const midpoints = ladder.flatMap((value, bits) => {
        const middle = (value + (ladder[bits + 1] ?? beyond)) / 2;
        const pattern = bitsOf(Float32Array.of(middle))[0] as number;
        return [pattern - 1, pattern, pattern + 1].flatMap((near) => [
          ...fromBits(Math.max(0, near)),
          ...fromBits(near | 0x80000000),
        ]);
      });
      const values = Float32Array.from(midpoints.filter((value) => !Number.isNaN(value)));
      const halves = narrow(values);
      for (const [i, value] of values.entries()) {
        if (Math.abs(value) === Number.POSITIVE_INFINITY) continue;
        assert.equal(halves[i], nearest(value), `${value} became ${hex(halves[i] as number)}`);
      }
    });

    it("rounds any finite float32 to the nearest", () => {
      fc.assert(
        fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
          assert.equal(narrow(Float32Array.of(value))[0], nearest(value));
        }),
        { numRuns: repetitions(2000) },
      );
    });

    it("keeps infinities, and NaNs with truncated payloads", () => {
      assert.deepEqual(
        [...narrow(Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY))],
        [infinity, infinity | 0x8000],
      );
      assert.ok(Number.isNaN(widen(narrow(fromBits(0x7f800001)))[0]));
      assert.ok(Number.isNaN(widen(narrow(fromBits(0xff800001)))[0]));
    });
  });
}

it("float16 matches PyTorch's values", () => {
  const cases: [number, number][] = [
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.996, 0x7bff],
    [65520, 0x7c00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.0000001, 0x0001],
    [-0, 0x8000],
    [0.1, 0x2e66],
    [1 / 3, 0x3555],
  ];
  assert.deepEqual(
    [...float32ToFloat16(Float32Array.from(cases, ([value]) => value))].map(hex),
    cases.map(([, bits]) => hex(bits)),
  );
});
