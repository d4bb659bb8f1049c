/** @file The input of a family's `open`. */

import type { Engine } from "../runtime/engine.js";
import type { PipelineFolder } from "./folder.js";
import type { PipelineFileOptions } from "./open-options.js";
import type { FamilyIdentity } from "./pipeline.js";

export interface PipelineSource {
  readonly family: FamilyIdentity;
  readonly folder: PipelineFolder;
  readonly engine: Engine;
  readonly options: PipelineFileOptions;
}
