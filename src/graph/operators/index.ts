/** @file The exhaustive operator table, combined from one file per group. */

import { attentionRules } from "./attention.js";
import type { OperatorName } from "./attributes.js";
import { convolutionRules } from "./convolution.js";
import { elementwiseRules } from "./elementwise.js";
import { indexingRules } from "./indexing.js";
import { layoutRules } from "./layout.js";
import { leafRules } from "./leaf.js";
import { normalizationRules } from "./normalization.js";
import { productRules } from "./product.js";
import { reductionRules } from "./reduction.js";
import type { OperatorRules } from "./rule.js";

export const operators: OperatorRules<OperatorName> = {
  ...leafRules,
  ...elementwiseRules,
  ...productRules,
  ...attentionRules,
  ...reductionRules,
  ...layoutRules,
  ...indexingRules,
  ...normalizationRules,
  ...convolutionRules,
};
