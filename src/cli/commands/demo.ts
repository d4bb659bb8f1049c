/** @file `softrepa demo`: its options. */

import type { Command } from "commander";
import { flag, maxSeed, path, real, whole } from "../../core/option-values.js";
import { demoSettings } from "../../demo/settings.js";
import { requireRunFolder } from "../../runs/outputs.js";
import { forceField, machineFields, optionalModelField } from "../common.js";
import type { CommandRun } from "../context.js";
import { defineCommand, option, under, type ValuesOf } from "../options.js";

function fields() {
  const { steps, prompts, guidanceScale, seed } = demoSettings;
  return {
    out: option("--out <folder>", path.default("softrepa-demo").describe("where the report goes")),
    force: forceField("overwrite a folder that is not empty"),
    model: optionalModelField("<folder>", "a pipeline of the demo's world (default: the bundled one)"),
    quick: option("--quick", flag.describe("a few steps and prompts, to see that all works")),
    ...under("Training and sampling", {
      steps: option("--steps <n>", whole(1).default(steps).describe("training steps")),
      prompts: option("--prompts <n>", whole(12, 6000).default(prompts).describe("held-out prompts")),
      guidance: option("--guidance <x>", real(0).default(guidanceScale).describe("guidance scale")),
      seed: option(
        "--seed <n>",
        whole(0, maxSeed - 6000)
          .default(seed)
          .describe("seed of all that is drawn"),
      ),
    }),
    ...machineFields(),
  };
}
export type DemoCommandOptions = ValuesOf<ReturnType<typeof fields>>;

export function demoCommand(run: CommandRun<DemoCommandOptions>): Command {
  return defineCommand(
    {
      name: "demo",
      description: "train and judge tokens on the bundled pipeline",
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
