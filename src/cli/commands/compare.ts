/** @file `softrepa compare`: its options. */

import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import { path } from "../../core/option-values.js";
import { requireRunFolder } from "../../runs/outputs.js";
import { forceField, jsonField } from "../common.js";
import type { CommandRun } from "../context.js";
import { defineCommand, option } from "../options.js";

export interface CompareCommandOptions {
  /** Folders that `softrepa eval` wrote, or GenEval's .jsonl results; the first has the baseline. */
  readonly runs: readonly string[];
  /** Nothing is written where undefined. */
  readonly out: string | undefined;
  readonly json: boolean;
}

export function compareCommand(run: CommandRun<CompareCommandOptions>): Command {
  return defineCommand(
    {
      name: "compare",
      description: "compare runs of eval on the same prompts and seeds",
      operands: { usage: "<run...>", description: "folders of eval, or GenEval's results (.jsonl); baseline first" },
      fields: {
        out: option("--out <folder>", path.optional().describe("write report.html, report.json and scores there")),
        force: forceField("overwrite a folder that is not empty"),
        json: jsonField(),
      },
      examples: ["softrepa compare runs/base runs/a runs/b --out report", "softrepa compare base.jsonl tuned.jsonl"],
      resolve: async ({ out, force, json }, _given, runs) => {
        if (runs.length < 1) throw new UsageError("runs to compare are missing");
        if (out !== undefined) await requireRunFolder(out, force);
        return { runs, out, json };
      },
    },
    run,
  );
}
