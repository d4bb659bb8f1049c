/** @file The legality pass: invariants that every graph must satisfy before it is serialised. */

import { formatShape, sameShape } from "../core/tensor.js";
import { GraphError } from "./error.js";
import type { GraphBuilder, GraphNode, TensorType, Value } from "./ir.js";
import type { OperatorName } from "./operators/attributes.js";
import { operators } from "./operators/index.js";
import { formatNode } from "./print.js";

/** An invariant of nodes; `violation` describes how a node breaks it, or returns null. */
interface Invariant {
  readonly name: string;
  readonly violation: (node: GraphNode, graph: GraphBuilder) => string | null;
}

const invariants: readonly Invariant[] = [
  {
    name: "inputs come from earlier nodes of the same graph",
    violation: (node, graph) => {
      const bad = node.inputs.find((input) => input.graph !== graph || input.producer >= node.index);
      return bad === undefined ? null : `%${bad.id} is not computed before`;
    },
  },
  {
    name: "recorded types are those that the operator infers",
    violation: (node) => {
      const inferred = infer(node);
      if (typeof inferred === "string") return inferred;
      const [recorded, expected] = [node.outputs.length, inferred.length];
      if (recorded !== expected) return `${recorded} outputs are recorded, not ${expected}`;
      const wrong = node.outputs.find(({ dtype, shape }, port) => {
        const type = inferred[port];
        return type === undefined || dtype !== type.dtype || !sameShape(shape, type.shape);
      });
      return wrong === undefined ? null : `%${wrong.id} is recorded as ${wrong.dtype}${formatShape(wrong.shape)}`;
    },
  },
  {
    name: "sizes are positive whole numbers",
    violation: (node) => {
      const wrong = node.outputs.find(({ shape }) => !shape.every((size) => Number.isInteger(size) && size > 0));
      return wrong === undefined ? null : `%${wrong.id} has shape ${formatShape(wrong.shape)}`;
    },
  },
];

/** The output types that the operator's rule infers, or its error message. */
function infer(node: GraphNode): readonly TensorType[] | string {
  const rule = operators[node.op] as { infer(i: readonly Value[], a: unknown): readonly TensorType[] };
  try {
    return rule.infer(node.inputs, node.attributes);
  } catch (error) {
    if (error instanceof GraphError) return error.message;
    throw error;
  }
}

/** @throws GraphError that names the first node that violates an invariant. */
export function checkGraph(graph: GraphBuilder, outputs: Readonly<Record<string, Value>>): void {
  const inputNames = new Set<string>();
  for (const node of graph.nodes) {
    for (const { name, violation } of invariants) {
      const problem = violation(node, graph);
      if (problem !== null) throw new GraphError(`${formatNode(node)}: ${problem} (invariant: ${name})`);
    }
    if (node.op === "input") requireUnusedName(inputNames, node.attributes.name, "input");
  }
  const outputNames = new Set(inputNames);
  for (const [name, value] of Object.entries(outputs)) {
    if (value.graph !== graph) throw new GraphError(`output ${name} belongs to another graph`);
    requireUnusedName(outputNames, name, "output");
  }
}

/** Names of inputs and outputs must be unique and differ from those that the writer generates (t0, c0, w0:). */
function requireUnusedName(names: Set<string>, name: string, role: OperatorName | "output"): void {
  if (names.has(name) || /^([tc]\d+$|w\d+:)/.test(name)) throw new GraphError(`${role} name "${name}" is taken`);
  names.add(name);
}
