/** @file `softrepa data check`: its options. */

import { Command } from "commander";
import type { CommandRun } from "../context.js";
import { defaulted, defineCommand, type FieldsOf, flag, optional, path, real, under, whole } from "../options.js";

export interface DataCheckOptions {
  /** The data set: a folder, a shard, or a captions file. */
  readonly path: string;
  /** Whose tokenizers count tokens; without it only what is certainly too long for CLIP is told. */
  readonly model: string | undefined;
  readonly maxSequenceLength: number | undefined;
  /** From which on captions count as similar. */
  readonly similarity: number;
  /** Lines shown of each kind. */
  readonly show: number;
  readonly json: boolean;
}

type RawOptions = Omit<DataCheckOptions, "path">;

function fields(): FieldsOf<RawOptions> {
  return {
    ...under("Captions", {
      model: optional("--model <folder>", "count tokens as this pipeline does", path),
      maxSequenceLength: optional("--max-sequence-length <n>", "T5 text tokens (default: 256)", whole(1, 512)),
      similarity: defaulted("--similarity <x>", "of word pairs, to be told", real(0.3, 1), 0.8),
    }),
    show: defaulted("--show <n>", "lines shown of each kind", whole(1), 10),
    json: flag("--json", "print one JSON event a line"),
  };
}

export function dataCommand(run: CommandRun<DataCheckOptions>): Command {
  const check: Command = defineCommand(
    {
      name: "check",
      description: "list what cannot be used, what is cut off, and which captions are alike",
      fields: fields(),
      examples: ["softrepa data check photos", "softrepa data check coco --model sd3-medium --json"],
      // Commander has seen to it that the argument is there.
      resolve: async (raw: RawOptions) => ({ ...raw, path: String(check.args[0]) }),
    },
    run,
  ).argument("<path>", "a folder, a shard, or COCO's captions file");
  return new Command("data").description("look into data sets").addCommand(check);
}
