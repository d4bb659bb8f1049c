/** @file `softrepa compare`: its options. */

import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import type { CommandRun } from "../context.js";
import { defineCommand, type FieldsOf, flag, optional, path } from "../options.js";
import { requireRunFolder } from "../outputs.js";

export interface CompareCommandOptions {
  /** Folders that `softrepa eval` wrote, or GenEval's .jsonl results; the first has the baseline. */
  readonly runs: readonly string[];
  /** Nothing is written where undefined. */
  readonly out: string | undefined;
  readonly json: boolean;
}

interface RawOptions {
  readonly out: string | undefined;
  readonly force: boolean;
  readonly json: boolean;
}

function fields(): FieldsOf<RawOptions> {
  return {
    out: optional("--out <folder>", "write report.html, report.json and scores there", path),
    force: flag("--force", "overwrite a folder that is not empty"),
    json: flag("--json", "print one JSON event a line"),
  };
}

export function compareCommand(run: CommandRun<CompareCommandOptions>): Command {
  return defineCommand(
    {
      name: "compare",
      description: "compare runs of eval on the same prompts and seeds",
      operands: { usage: "<run...>", description: "folders of eval, or GenEval's results (.jsonl); baseline first" },
      fields: fields(),
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
