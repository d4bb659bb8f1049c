/** @file The built-in model families. */

import type { Family } from "./family.js";
import { sd3 } from "./sd3.js";
import { sd15 } from "./sd15.js";
import { sdxl } from "./sdxl.js";

export const builtInFamilies: readonly Family[] = [sd15, sdxl, sd3];
