/** @file The cases of all operators; the compiler rejects an operator without cases. */

import type { OperatorName } from "../../graph/operators/attributes.js";
import type { StoredTensor } from "../../weights/source.js";
import type { Cases } from "./case.js";
import { elementwiseCases } from "./cases-elementwise.js";
import { layoutCases } from "./cases-layout.js";
import { networkCases } from "./cases-network.js";

/** `stored` is a float32 weight in a file. */
export function operatorCases(stored: StoredTensor): Cases<OperatorName> {
  return { ...elementwiseCases(stored), ...layoutCases, ...networkCases };
}
