/** @file Writes `schema/train.schema.json`, which the package brings: `node dist/cli/config/write-schema.js`. */

import { writeFileAtomic } from "../../core/files.js";
import { commandOnly, trainFields } from "../commands/train-options.js";
import { configSchema } from "./config-schema.js";

const schema = configSchema("softrepa train", trainFields(), commandOnly);
await writeFileAtomic("schema/train.schema.json", `${JSON.stringify(schema, null, 2)}\n`);
