/** @file The cases of every operator: an operator without a case does not compile. */

import type { OperatorName } from "../../graph/operators/attributes.js";
import type { StoredTensor } from "../../weights/source.js";
import type { Cases } from "./case.js";
import { elementwiseCases } from "./cases-elementwise.js";
import { layoutCases } from "./cases-layout.js";
import { networkCases } from "./cases-network.js";

/** `stored` is a float32 weight that lies in a file. */
export function operatorCases(stored: StoredTensor): Cases<OperatorName> {
  return { ...elementwiseCases(stored), ...layoutCases, ...networkCases };
}
