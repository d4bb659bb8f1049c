import assert from "node:assert/strict";
import { test } from "node:test";
import { compilerErrors, indexedAccessFaults } from "./indexed-access.js";

test("rooms that check what an index gives stay so", () => {
  assert.deepEqual(indexedAccessFaults(compilerErrors()), []);
});

test("an error in a clean room and a pending room without errors are faults", () => {
  const errors = [
    "src/core/tensor.ts(3,1): error TS2532: Object is possibly 'undefined'.",
    "src/graph/ops.ts(3,1): error TS2532: Object is possibly 'undefined'.",
    "src/core/tensor.test.ts(3,1): error TS2532: Object is possibly 'undefined'.",
  ];
  assert.deepEqual(indexedAccessFaults(errors, ["src/graph", "tests", "src/world"]), [
    errors[0],
    "src/world has no unchecked index any more; remove it from tools/lint/indexed-access.ts",
  ]);
});
