/** @file The legality pass: what must hold of every graph before it is serialised. */

import { formatShape, sameShape } from "../core/tensor.js";
import { GraphError } from "./error.js";
import type { GraphBuilder, GraphNode, TensorType, Value } from "./ir.js";
import type { OperatorName } from "./operators/attributes.js";
import { operators } from "./operators/index.js";
import { formatNode } from "./print.js";

/** One law and the question whether a node keeps it; a string says how it was broken. */
interface Law {
  readonly name: string;
  readonly broken: (node: GraphNode, graph: GraphBuilder) => string | null;
}

const laws: readonly Law[] = [
  {
    name: "inputs come from earlier nodes of the same graph",
    broken: (node, graph) => {
      const bad = node.inputs.find((input) => input.graph !== graph || input.producer >= node.index);
      return bad === undefined ? null : `%${bad.id} is not computed before`;
    },
  },
  {
    name: "recorded types are those that the operator infers",
    broken: (node) => {
      const inferred = infer(node);
      if (typeof inferred === "string") return inferred;
      const [recorded, due] = [node.outputs.length, inferred.length];
      if (recorded !== due) return `${recorded} outputs are recorded, not ${due}`;
      const wrong = node.outputs.find(({ dtype, shape }, port) => {
        const type = inferred[port];
        return type === undefined || dtype !== type.dtype || !sameShape(shape, type.shape);
      });
      return wrong === undefined ? null : `%${wrong.id} is recorded as ${wrong.dtype}${formatShape(wrong.shape)}`;
    },
  },
  {
    name: "sizes are positive whole numbers",
    broken: (node) => {
      const wrong = node.outputs.find(({ shape }) => !shape.every((size) => Number.isInteger(size) && size > 0));
      return wrong === undefined ? null : `%${wrong.id} has shape ${formatShape(wrong.shape)}`;
    },
  },
];

/** What the operator's rule makes of the node's inputs; a string says why it refuses them. */
function infer(node: GraphNode): readonly TensorType[] | string {
  const rule = operators[node.op] as { infer(i: readonly Value[], a: unknown): readonly TensorType[] };
  try {
    return rule.infer(node.inputs, node.attributes);
  } catch (error) {
    if (error instanceof GraphError) return error.message;
    throw error;
  }
}

/** Throws a GraphError that names the first node that breaks a law. */
export function checkGraph(graph: GraphBuilder, outputs: Readonly<Record<string, Value>>): void {
  const inputNames = new Set<string>();
  for (const node of graph.nodes) {
    for (const { name, broken } of laws) {
      const how = broken(node, graph);
      if (how !== null) throw new GraphError(`${formatNode(node)}: ${how} (law: ${name})`);
    }
    if (node.op === "input") requireFree(inputNames, node.attributes.name, "input");
  }
  const outputNames = new Set(inputNames);
  for (const [name, value] of Object.entries(outputs)) {
    if (value.graph !== graph) throw new GraphError(`output ${name} belongs to another graph`);
    requireFree(outputNames, name, "output");
  }
}

/** Names of inputs and outputs are free-form but must not repeat nor look like the writer's own (t0, c0, w0:). */
function requireFree(names: Set<string>, name: string, role: OperatorName | "output"): void {
  if (names.has(name) || /^([tc]\d+$|w\d+:)/.test(name)) throw new GraphError(`${role} name "${name}" is taken`);
  names.add(name);
}
