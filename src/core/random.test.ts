import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { z } from "zod";
import { InputError, UsageError } from "./errors.js";
import { Generator, generatorStateSchema } from "./random.js";

const ends = z.object({ first: z.array(z.number()), last: z.array(z.number()) });
const numbers = z.array(z.number());
const golden = z
  .object({
    seeds: z.array(
      z.object({
        seed: z.number(),
        normal: z.record(z.string(), ends),
        uniform: numbers,
        integer: z.record(z.string(), numbers),
        shuffle: z.record(z.string(), ends),
        mixed: z.tuple([numbers, numbers, numbers, numbers, numbers, numbers]),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL("../../test/fixtures/random/torch-cpu.json", import.meta.url), "utf8")));

function assertNear(actual: Iterable<number>, expected: readonly number[], what: string): void {
  const values = [...actual];
  assert.equal(values.length, expected.length, what);
  for (const [i, value] of values.entries()) {
    const wanted = expected[i] ?? Number.NaN;
    assert.ok(Math.abs(value - wanted) <= 2e-6, `${what}[${i}]: ${value}, PyTorch ${wanted}`);
  }
}

const countTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

for (const { seed, normal, uniform, integer, shuffle, mixed } of golden.seeds) {
  describe(`generator with seed ${seed}, compared with PyTorch`, () => {
    it("samples the same normals within 2e-6", () => {
      for (const [size, { first, last }] of Object.entries(normal)) {
        const { data } = new Generator(seed).normal([Number(size)]);
        assertNear(data.subarray(0, 8), first, `randn(${size}) first`);
        assertNear(data.subarray(-8), last, `randn(${size}) last`);
      }
    });
    it("samples the same uniforms exactly", () => {
      const generator = new Generator(seed);
      assert.deepEqual(
        uniform.map(() => generator.uniform()),
        uniform,
      );
    });
    it("samples the same integers exactly", () => {
      for (const [limit, values] of Object.entries(integer)) {
        const generator = new Generator(seed);
        assert.deepEqual(
          values.map(() => generator.integer(Number(limit))),
          values,
          limit,
        );
      }
    });
    it("shuffles exactly alike", () => {
      for (const [size, { first, last }] of Object.entries(shuffle)) {
        const shuffled = new Generator(seed).shuffle(countTo(Number(size)));
        assert.deepEqual(shuffled.slice(0, 8), first, size);
        assert.deepEqual(shuffled.slice(-8), last, size);
      }
    });
    it("samples alike when kinds of samples alternate", () => {
      const generator = new Generator(seed);
      assertNear(generator.normal([3]).data, mixed[0], "randn(3)");
      assertNear(generator.normal([1, 3, 1]).data, mixed[1], "randn(1,3,1)");
      assertNear(generator.normal([4, 5]).data, mixed[2], "randn(4,5)");
      assertNear([generator.uniform(), generator.uniform()], mixed[3], "rand(2)");
      assert.deepEqual(generator.shuffle(countTo(9)), mixed[4]);
      assertNear(generator.normal([1]).data, mixed[5], "randn(1)");
    });
  });
}

describe("generator", () => {
  it("continues from a state saved as JSON", () => {
    for (const drawn of [0, 3, 16, 700, 1999]) {
      const generator = new Generator(11);
      generator.normal([drawn]);
      const restored = Generator.fromState(generatorStateSchema.parse(JSON.parse(JSON.stringify(generator.state()))));
      assert.deepEqual(restored.normal([3]), generator.normal([3]));
      assert.deepEqual(restored.normal([1000]), generator.normal([1000]));
      assert.deepEqual(restored.state(), generator.state());
    }
  });
  it("does not modify the list that it shuffles", () => {
    const items = Object.freeze(["a", "b", "c", "d"]);
    assert.deepEqual(new Generator(1).shuffle(items).sort(), items);
  });
  it("rejects seeds that are not non-negative integers", () => {
    for (const seed of [-1, 1.5, Number.NaN, 2 ** 53]) assert.throws(() => new Generator(seed), UsageError);
  });
  it("rejects a truncated state", () => {
    const state = new Generator(1).state();
    assert.throws(() => Generator.fromState({ ...state, words: state.words.slice(0, 100) }), InputError);
  });
});
