/** @file Writes `schema/train.schema.json`, which is part of the package: `node dist/runs/config/write-schema.js`. */

import { writeFileAtomic } from "../../core/files.js";
import { configSchema } from "./config-schema.js";

await writeFileAtomic("schema/train.schema.json", `${JSON.stringify(configSchema(), null, 2)}\n`);
