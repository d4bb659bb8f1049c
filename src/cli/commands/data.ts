/** @file `softrepa data check`: its options. */

import { Command } from "commander";
import { real, whole } from "../../core/option-values.js";
import { jsonField, maxSequenceLengthField, optionalModelField } from "../common.js";
import type { CommandRun } from "../context.js";
import { defineCommand, option, under, type ValuesOf } from "../options.js";

function fields() {
  return {
    ...under("Captions", {
      model: optionalModelField("<folder>", "count tokens as this pipeline does"),
      maxSequenceLength: maxSequenceLengthField(),
      similarity: option("--similarity <x>", real(0.3, 1).default(0.8).describe("of word pairs, to be told")),
    }),
    show: option("--show <n>", whole(1).default(10).describe("lines shown of each kind")),
    json: jsonField(),
  };
}

export interface DataCheckOptions extends ValuesOf<ReturnType<typeof fields>> {
  /** The data set: a folder, a shard, or a captions file. */
  readonly path: string;
}

export function dataCommand(run: CommandRun<DataCheckOptions>): Command {
  const check: Command = defineCommand(
    {
      name: "check",
      description: "list what cannot be used, what is cut off, and which captions are alike",
      fields: fields(),
      examples: ["softrepa data check photos", "softrepa data check coco --model sd3-medium --json"],
      // Commander has seen to it that the argument is there.
      resolve: async (values) => ({ ...values, path: String(check.args[0]) }),
    },
    run,
  ).argument("<path>", "a folder, a shard, or COCO's captions file");
  return new Command("data").description("look into data sets").addCommand(check);
}
