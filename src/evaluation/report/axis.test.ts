import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { axisTicks, domainOf, exactDomainOf, formatTick, place } from "./axis.js";

const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: -9, max: 9, noNaN: true }),
);

describe("axes", () => {
  it("span all values, never nothing, and have a few ticks inside", () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 20 }), (values) => {
        for (const domain of [domainOf(values), exactDomainOf(values)]) {
          assert.ok(domain.low < domain.high);
          const size = Math.max(...values.map(Math.abs), 1e-300);
          const ticks = axisTicks(domain, 4);
          assert.ok(ticks.length >= 2 && ticks.length <= 6, `${ticks}`);
          for (const one of [...values, Number.MAX_VALUE, -Number.MAX_VALUE]) {
            assert.ok(Number.isFinite(place(one, domain, 0, 100)));
            if (Math.abs(one) > 1e300) continue; // drawn outside the frame
            assert.ok(one >= domain.low - 1e-9 * size && one <= domain.high + 1e-9 * size, `${one} in ${domain.low}`);
          }
        }
      }),
    );
  });

  it("have round ticks", () => {
    assert.deepEqual(axisTicks({ low: 0, high: 1 }, 4), [0, 0.2, 0.4, 0.6, 0.8, 1]);
    assert.deepEqual(axisTicks({ low: 0.1, high: 0.62 }, 5), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    assert.deepEqual(axisTicks({ low: -10, high: 10 }, 5), [-10, -5, 0, 5, 10]);
    assert.deepEqual(domainOf([0.03, 2.4]), { low: 0, high: 2.5 });
  });

  it("have short labels", () => {
    assert.deepEqual([0, -0.25, 1500, 20000, 1e-5, 3e7].map(formatTick), [
      "0",
      "\u22120.25",
      "1500",
      "20k",
      "1e\u22125",
      "3e7",
    ]);
  });
});
