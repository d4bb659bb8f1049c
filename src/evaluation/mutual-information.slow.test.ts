import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "../core/errors.js";
import { Generator } from "../core/random.js";
import { gaussianWorld, type KnownPairs, type KnownWorld, mixtureWorld } from "../testing/evaluation/known-world.js";
import { logSnrNodes } from "./log-snr-nodes.js";
import { information, informationGain } from "./mutual-information.js";
import { type NoiseErrors, noiseErrors } from "./noise-errors.js";

const parameterisations = ["flow", "noise", "v"] as const;

function meanOf(values: readonly number[]) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, standardError: Math.sqrt(squares / values.length / (values.length - 1)) };
}

function estimate({ denoiser, empty }: KnownWorld, pairs: KnownPairs): Promise<NoiseErrors> {
  const plain = { softTokens: null, strength: 1 };
  return noiseErrors(denoiser, { ...pairs, ...plain, empty, noises: 4, seed: 5, pairsPerRun: 500 });
}

/** The pairs with every caption one place on. */
function misplaced({ latents, conditioning }: KnownPairs): KnownPairs {
  const moved = Object.entries(conditioning).map(([name, { shape, data, dtype }]) => {
    const size = data.length / shape[0];
    return [name, { dtype, shape, data: Float32Array.of(...data.subarray(size), ...data.subarray(0, size)) }];
  });
  return { latents, conditioning: Object.fromEntries(moved) };
}

for (const parameterisation of parameterisations) {
  const worlds = {
    "normal images with noisy captions": gaussianWorld(parameterisation, 0.7),
    "a mixture of two kinds of images": mixtureWorld(parameterisation, 0.3, 1),
  };
  for (const [name, world] of Object.entries(worlds)) {
    describe(`information by a network that predicts ${parameterisation}, of ${name}`, () => {
      const pairs = world.draw(1000, new Generator(3));

      it("is the known log p(x | y) - log p(x)", async () => {
        const truth = world.information(pairs);
        const { mean, standardError, pairs: found } = information(await estimate(world, pairs));
        const known = meanOf(truth);
        const off = meanOf(found.map((nats, pair) => nats - truth[pair]));
        // Pair by pair the estimate misses by its noises alone, so that the mean must be near at a fraction of its own error.
        assert.ok(off.standardError < 0.03 * known.mean, `${off.standardError} of ${known.mean}`);
        assert.ok(Math.abs(off.mean) < 3 * off.standardError, `${off.mean} +- ${off.standardError}`);
        assert.ok(standardError !== null && Math.abs(standardError / known.standardError - 1) < 0.2);
        assert.ok(Math.abs(mean - known.mean - off.mean) < 1e-9);
      });

      it("is the known negative number under captions of other images", async () => {
        const wrong = misplaced(pairs);
        const truth = world.information(wrong);
        const { mean, pairs: found } = information(await estimate(world, wrong));
        const off = meanOf(found.map((nats, pair) => nats - truth[pair]));
        assert.ok(mean < -0.2, `${mean}`);
        assert.ok(Math.abs(off.mean) < 3 * off.standardError, `${off.mean} +- ${off.standardError}`);
      });
    });
  }
}

/** Errors without noise: of one normal image at distance 1 from its mean, of variance 1 (no caption) and V (caption). */
function expectedErrors(nodes: NoiseErrors["nodes"], variance: number): NoiseErrors {
  const error = (logSnr: number, v: number) => {
    const a2 = 1 / (1 + Math.exp(-logSnr));
    const total = a2 * v + 1 - a2;
    return ((a2 * v) / total) ** 2 + (a2 * (1 - a2)) / total ** 2;
  };
  return {
    nodes,
    noises: 1,
    seed: 0,
    withCaption: nodes.map(({ logSnr }) => [error(logSnr, variance)]),
    withoutCaption: nodes.map(({ logSnr }) => [error(logSnr, 1)]),
  };
}

describe("the quadrature", () => {
  const variance = 0.1;
  const limits = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
  // log N(1; 0, V) - log N(1; 0, 1)
  const known = (1 - 1 / variance - Math.log(variance)) / 2;
  const at = (parameterisation: (typeof parameterisations)[number], count: number) => {
    const { denoiser } = gaussianWorld(parameterisation, 1);
    return information(expectedErrors(logSnrNodes(denoiser, count, limits), variance)).mean;
  };

  it("converges to the closed form", () => {
    // The schedule of noise prediction ends at +-12, which costs 7e-5.
    for (const [parameterisation, count] of [
      ["flow", 28],
      ["flow", 999],
      ["noise", 28],
      ["noise", 1000],
    ] as const) {
      const found = at(parameterisation, count);
      assert.ok(Math.abs(found / known - 1) < 2e-4, `${parameterisation}, ${count} nodes: ${found}, known ${known}`);
    }
  });

  it("is the area under the curve, which vanishes at both ends", () => {
    const { curve, mean, standardError } = information(
      expectedErrors(logSnrNodes(gaussianWorld("flow", 1).denoiser, 28, limits), variance),
    );
    const area = curve.slice(1).reduce((sum, point, k) => {
      const before = curve[k];
      return sum + ((point.logSnr - before.logSnr) * (point.mean + before.mean)) / 2;
    }, 0);
    assert.ok(Math.abs(area - mean) < 1e-12);
    assert.equal(standardError, null);
    for (const end of [curve[0], curve[27]]) assert.ok(Math.abs(end.mean) < 1e-4);
  });
});

describe("informationGain", () => {
  const nodes = [
    { timestep: 900, logSnr: -4, errorScale: 1, weight: 2 },
    { timestep: 100, logSnr: 4, errorScale: 1, weight: 3 },
  ];
  const shared = { nodes, noises: 1, seed: 7 };
  const before: NoiseErrors = {
    ...shared,
    withCaption: [
      [10, 20],
      [30, 40],
    ],
    withoutCaption: [
      [12, 22],
      [34, 44],
    ],
  };
  const after: NoiseErrors = {
    ...shared,
    withCaption: [
      [8, 20],
      [30, 44],
    ],
    withoutCaption: [
      [13, 22],
      [36, 44],
    ],
  };

  it("is the paired difference, and the difference of its two parts", () => {
    const gain = informationGain(before, after);
    // Pair 1: with caption (2 * 2) / 2, without -(2 * 1 + 3 * 2) / 2; pair 2: with caption -(3 * 4) / 2.
    assert.deepEqual(gain.pairs, [6, -6]);
    assert.deepEqual([gain.mean, gain.standardError], [0, 6]);
    assert.deepEqual(gain.withCaption, { mean: -2, standardError: 4 });
    assert.deepEqual(gain.withoutCaption, { mean: -2, standardError: 2 });
    assert.deepEqual(gain.curve, [
      { timestep: 900, logSnr: -4, mean: 0.75, standardError: 0.75 },
      { timestep: 100, logSnr: 4, mean: -0.5, standardError: 1.5 },
    ]);
    assert.equal(information(after).mean - information(before).mean, gain.mean);
  });

  it("refuses measurements that do not pair up", () => {
    const others: Partial<NoiseErrors>[] = [
      { seed: 8 },
      { noises: 2 },
      { nodes: [nodes[0], { ...nodes[1], timestep: 99 }] },
      { withCaption: [[8], [30]], withoutCaption: [[13], [36]] },
    ];
    for (const other of others) assert.throws(() => informationGain(before, { ...after, ...other }), UsageError);
  });
});
