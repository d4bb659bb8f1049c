/** @file `softrepa compare`: compares runs of `eval`. */

import type { Command } from "commander";
import { UsageError } from "../../core/errors.js";
import { path } from "../../core/option-values.js";
import { joinRuns, readRun } from "../../evaluation/run/index.js";
import { requireRunFolder } from "../../runs/outputs.js";
import { forceField, jsonField } from "../common.js";
import type { CommandContext, CommandRun } from "../context.js";
import { reportScores } from "../handlers/report-scores.js";
import { defineCommand, option } from "../options.js";

export interface CompareCommandOptions {
  /** Folders written by `softrepa eval`, or GenEval's .jsonl results; the first one is the baseline. */
  readonly runs: readonly string[];
  /** Nothing is written if undefined. */
  readonly out: string | undefined;
  readonly json: boolean;
}

export function compareCommand(run: CommandRun<CompareCommandOptions> = runCompare): Command {
  return defineCommand(
    {
      name: "compare",
      description: "compare runs of eval on the same prompts and seeds",
      operands: { usage: "<run...>", description: "folders of eval, or GenEval results (.jsonl); baseline first" },
      fields: {
        out: option("--out <folder>", path.optional().describe("folder for report.html, report.json and scores")),
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

async function runCompare({ runs: paths, out }: CompareCommandOptions, { reporter }: CommandContext): Promise<void> {
  const runs = [];
  for (const path of paths) runs.push(await readRun(path));
  const scores = await joinRuns(runs, out ?? ".");
  if (scores.variants.length < 2) throw new UsageError("a comparison needs at least two variants; name another run");
  const title = `Comparison of ${scores.variants.map(({ name }) => name).join(", ")}`;
  await reportScores(scores, out, { title }, reporter);
}
