import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { countFlops } from "../graph/flops.js";
import { openTiny } from "../testing/pipelines/support.js";
import { executionPlan } from "./execution-plan.js";
import { pairErrorGraph } from "./pair-errors.js";

describe("the graph of pair errors", async () => {
  for (const family of ["sd3", "sd15"] as const) {
    const pipeline = await openTiny(family);
    const { layers, projectedWidth, stages } = pipeline.softTokenLayout;
    const flops = (checkpoints: boolean) => {
      const { graph, outputs } = pairErrorGraph(pipeline, {
        plan: executionPlan(2, { checkpoints }),
        ...{ latentShape: [pipeline.latentChannels, 8, 8], images: "shared", gradients: true },
        softTokens: { shape: [Math.min(2, layers), 2, projectedWidth], stages },
      });
      return countFlops(graph, Object.values(outputs));
    };

    it(`recomputes blocks only with activation checkpointing, ${family}`, () => {
      const plain = flops(false);
      const checkpointed = flops(true);
      assert.equal(plain.executed, plain.useful);
      assert.equal(checkpointed.useful, plain.useful);
      assert.ok(
        checkpointed.executed > 1.05 * plain.executed,
        `${checkpointed.executed} with, ${plain.executed} without`,
      );
    });
  }
});
