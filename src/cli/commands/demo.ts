/** @file `softrepa demo`: trains and evaluates soft tokens on the bundled pipeline. */

import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { flag, integer, maxSeed, number, path } from "../../core/option-values.js";
import { runDemo } from "../../demo/run.js";
import { demoSettings, quickSettings } from "../../demo/settings.js";
import { requireRunFolder } from "../../runs/outputs.js";
import { openEngine } from "../../runtime/open-engine.js";
import { engineRequest, forceField, machineFields, optionalModelField } from "../common.js";
import type { CommandContext, CommandRun } from "../context.js";
import { provenance } from "../handlers/report-scores.js";
import { describeEngine } from "../handlers/session.js";
import { defineCommand, group, option, type ValuesOf } from "../options.js";

function fields() {
  const { steps, prompts, guidanceScale, seed } = demoSettings;
  return {
    out: option("--out <folder>", path.default("softrepa-demo").describe("folder of the report")),
    force: forceField("overwrite a folder that is not empty"),
    model: optionalModelField("<folder>", "a pipeline trained on scenes (default: bundled)"),
    quick: option("--quick", flag.describe("a few steps and prompts, to check the installation")),
    ...group("Training and sampling", {
      steps: option("--steps <n>", integer(1).default(steps).describe("training steps")),
      prompts: option("--prompts <n>", integer(12, 6000).default(prompts).describe("held-out prompts")),
      guidance: option("--guidance <x>", number(0).default(guidanceScale).describe("guidance scale")),
      seed: option(
        "--seed <n>",
        integer(0, maxSeed - 6000)
          .default(seed)
          .describe("random seed"),
      ),
    }),
    ...machineFields(),
  };
}
export type DemoCommandOptions = ValuesOf<ReturnType<typeof fields>>;

export function demoCommand(run: CommandRun<DemoCommandOptions> = runDemoCommand): Command {
  return defineCommand(
    {
      name: "demo",
      description: "train and evaluate tokens on the bundled pipeline",
      fields: fields(),
      examples: ["softrepa demo --out report"],
      resolve: async (options) => {
        await requireRunFolder(options.out, options.force);
        return options;
      },
    },
    run,
  );
}

/** The pipeline that ships with the package. */
const bundledPipeline = fileURLToPath(new URL("../../../demo/pipeline", import.meta.url));

async function runDemoCommand(options: DemoCommandOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { steps, prompts, guidance: guidanceScale, seed, out } = options;
  const { engine } = await openEngine(engineRequest(options));
  const description = describeEngine(engine);
  if (description) reporter.print(description);
  const settings = options.quick
    ? { ...quickSettings, seed }
    : { ...demoSettings, steps, prompts, guidanceScale, seed };
  const hooks = {
    signal,
    progress: (...progress: Parameters<typeof reporter.progress>) => reporter.progress(...progress),
    print: (line: string) => reporter.print(line),
  };
  try {
    await runDemo(engine, { model: options.model ?? bundledPipeline, out, settings, ...provenance() }, hooks);
  } finally {
    await engine.close();
  }
}
