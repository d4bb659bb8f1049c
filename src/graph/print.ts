/** @file The text form of a graph: stable, one node per line. */

import { formatShape } from "../core/tensor.js";
import type { GraphBuilder, GraphNode } from "./ir.js";

/** `%7 = matmul(%5, %6) {transposeB} : float32[2,3]`. */
export function formatNode(node: GraphNode): string {
  const outputs = node.outputs.map(({ id }) => `%${id}`).join(", ");
  const inputs = node.inputs.map(({ id }) => `%${id}`).join(", ");
  const types = node.outputs.map(({ dtype, shape }) => `${dtype}${formatShape(shape)}`).join(", ");
  const attributes = formatAttributes(node);
  return `${outputs} = ${node.op}(${inputs})${attributes === "" ? "" : ` {${attributes}}`} : ${types}`;
}

/** The nodes from `start` on; scopes are printed where they change. */
export function formatGraph(graph: GraphBuilder, start = 0): string {
  const lines: string[] = [];
  let scope = "";
  for (const node of graph.nodes.slice(start)) {
    if (node.scope !== scope) lines.push(`# ${node.scope}`.trimEnd());
    scope = node.scope;
    lines.push(formatNode(node));
  }
  return lines.join("\n");
}

function formatAttributes(node: GraphNode): string {
  switch (node.op) {
    case "input":
      return node.attributes.name;
    case "parameter":
      return node.attributes.stored.name;
    case "constant": {
      const { data } = node.attributes.tensor;
      const shown = Array.from(data.subarray(0, 4), String).join(" ");
      return data.length > 4 ? `${shown} ...` : shown;
    }
    default:
      return Object.entries(node.attributes)
        .filter(([, value]) => value !== false)
        .map(([name, value]) => (value === true ? name : `${name}=${value}`))
        .join(" ");
  }
}
