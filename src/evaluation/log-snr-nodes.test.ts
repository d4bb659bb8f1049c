import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "../core/errors.js";
import { openTiny } from "../testing/pipelines/support.js";
import { logSnrNodes } from "./log-snr-nodes.js";

describe("logSnrNodes", async () => {
  const pipeline = await openTiny("sd3");
  const everything = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
  const flow = (timestep: number) => 2 * Math.log(1000 / timestep - 1);

  it("lies evenly over the model's own range, at whole timesteps", () => {
    const nodes = logSnrNodes(pipeline, 28, everything);
    assert.deepEqual([nodes.length, nodes[0].timestep, nodes[27].timestep], [28, 999, 1]);
    const step = (2 * flow(1)) / 27;
    for (const [k, { timestep, logSnr }] of nodes.entries()) {
      assert.ok(Math.abs(logSnr - flow(timestep)) < 1e-4, `timestep ${timestep}: ${logSnr}`);
      const gaps = [timestep - 1, timestep + 1].map((other) => Math.abs(flow(other) - flow(timestep)));
      assert.ok(Math.abs(logSnr - (flow(999) + k * step)) <= Math.max(...gaps.filter(Number.isFinite)) / 2 + 1e-4);
    }
  });

  it("integrates straight lines exactly, over any limits", () => {
    for (const [count, limits] of [
      [2, everything],
      [28, undefined],
      [9, [-6, 6]],
      [5000, [-3, 8]],
    ] as const) {
      const nodes = logSnrNodes(pipeline, count, limits);
      const [low, high] = [nodes[0].logSnr, nodes[nodes.length - 1].logSnr];
      const integral = nodes.reduce((sum, { weight, logSnr }) => sum + weight * (2 + 3 * logSnr), 0);
      const exact = 2 * (high - low) + 1.5 * (high ** 2 - low ** 2);
      assert.ok(Math.abs(integral - exact) < 1e-9 * (high - low) * 30, `${count}: ${integral}, ${exact}`);
      const [from, to] = limits === everything ? [flow(999), flow(1)] : (limits ?? [-10, 8]);
      assert.ok(low > from - 1e-4 && low < from + 0.2 && high < to + 1e-4 && high > to - 0.2, `${low}..${high}`);
      assert.equal(new Set(nodes.map(({ timestep }) => timestep)).size, nodes.length);
    }
  });

  it("refuses counts and limits that leave nothing to integrate", () => {
    for (const count of [1, 0, -3, 2.5, Number.NaN]) assert.throws(() => logSnrNodes(pipeline, count), UsageError);
    for (const limits of [
      [20, 30],
      [1, -1],
      [0, 1e-4],
    ] as const) {
      assert.throws(() => logSnrNodes(pipeline, 8, limits), /hold [01] of the model's timesteps/);
    }
  });
});
