import assert from "node:assert/strict";
import { after, it } from "node:test";
import { floatTensor, intTensor } from "../../core/tensor.js";
import { OnnxRuntimeEngine } from "../../runtime/onnxruntime/engine.js";
import { Graph } from "../graph.js";
import { writeOnnx } from "../onnx/writer.js";
import * as ops from "../ops.js";

const engine = new OnnxRuntimeEngine("cpu", 2);
after(() => engine.close());

it("adds every row with several threads and repeated indices", async () => {
  const [count, width, rows] = [20_000, 100, 2];
  const graph = new Graph();
  const indices = ops.input(graph, "indices", [count], "int64");
  const updates = ops.input(graph, "updates", [count, width]);
  const table = ops.scatterAdd(indices, updates, rows);
  const model = writeOnnx(graph, { table }, engine.target);
  // Its race does not show in every run, so assert that ScatterND is not used at all.
  assert.ok(!Buffer.from(model.bytes).includes("ScatterND"));
  const session = await engine.compile(model);
  const feeds = {
    indices: intTensor(
      [count],
      Array.from({ length: count }, (_, i) => i % rows),
    ),
    updates: floatTensor([count, width], new Float32Array(count * width).fill(1)),
  };
  for (let run = 0; run < 6; run++) {
    const results = await session.run(feeds);
    assert.ok(
      results.table.data.every((total) => Number(total) === count / rows),
      `run ${run}`,
    );
  }
});
