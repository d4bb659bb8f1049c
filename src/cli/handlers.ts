/** @file What the commands do once their options are read. */

import { RuntimeFailure } from "../core/errors.js";
import type { GenerateCommandOptions } from "./commands/generate.js";
import type { ScoreCommandOptions } from "./commands/score.js";
import type { TrainCommandOptions } from "./commands/train.js";
import type { CommandRun } from "./context.js";

export interface Handlers {
  readonly train: CommandRun<TrainCommandOptions>;
  readonly generate: CommandRun<GenerateCommandOptions>;
  readonly score: CommandRun<ScoreCommandOptions>;
}

export const handlers: Handlers = {
  train: async () => notWired("train"),
  generate: async () => notWired("generate"),
  score: async () => notWired("score"),
};

function notWired(command: string): never {
  throw new RuntimeFailure(`${command} is not wired`);
}
