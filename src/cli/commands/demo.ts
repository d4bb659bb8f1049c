/** @file `softrepa demo`: its options. */

import type { Command } from "commander";
import { demoSettings } from "../../demo/settings.js";
import { type MachineOptions, machineFields, maxSeed } from "../common.js";
import type { CommandRun } from "../context.js";
import { defaulted, defineCommand, type FieldsOf, flag, optional, path, real, under, whole } from "../options.js";
import { requireRunFolder } from "../outputs.js";

export interface DemoCommandOptions extends MachineOptions {
  /** The bundled pipeline where undefined. */
  readonly model: string | undefined;
  readonly out: string;
  readonly force: boolean;
  readonly steps: number;
  readonly prompts: number;
  readonly guidance: number;
  readonly seed: number;
  readonly quick: boolean;
}

function fields(): FieldsOf<DemoCommandOptions> {
  return {
    out: defaulted("--out <folder>", "where the report goes", path, "softrepa-demo"),
    force: flag("--force", "overwrite a folder that is not empty"),
    model: optional("--model <folder>", "a pipeline of the demo's world (default: the bundled one)", path),
    quick: flag("--quick", "a few steps and prompts, to see that all works"),
    ...under("Training and sampling", {
      steps: defaulted("--steps <n>", "training steps", whole(1), demoSettings.steps),
      prompts: defaulted("--prompts <n>", "held-out prompts", whole(12, 6000), demoSettings.prompts),
      guidance: defaulted("--guidance <x>", "guidance scale", real(0), demoSettings.guidanceScale),
      seed: defaulted("--seed <n>", "seed of all that is drawn", whole(0, maxSeed - 6000), demoSettings.seed),
    }),
    ...under("Machine", machineFields()),
  };
}

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
