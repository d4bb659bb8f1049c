#!/usr/bin/env node
/** @file The command `softrepa`. */

import { compareCommand } from "./commands/compare.js";
import { dataCommand } from "./commands/data.js";
import { demoCommand } from "./commands/demo.js";
import { editCommand } from "./commands/edit.js";
import { evalCommand } from "./commands/eval.js";
import { generateCommand } from "./commands/generate.js";
import { planCommand } from "./commands/plan.js";
import { scoreCommand } from "./commands/score.js";
import { tokensCommand } from "./commands/tokens.js";
import { trainCommand } from "./commands/train.js";
import { runEdit } from "./handlers/edit.js";
import { runEval } from "./handlers/eval.js";
import { runScore } from "./handlers/score.js";
import { runTrain } from "./handlers/train/train.js";
import { createProgram, runProgram } from "./program.js";

const program = createProgram([
  trainCommand(runTrain),
  planCommand(),
  generateCommand(),
  editCommand(runEdit),
  scoreCommand(runScore),
  evalCommand(runEval),
  compareCommand(),
  tokensCommand(),
  dataCommand(),
  demoCommand(),
]);

// Not process.exit, which would discard output that a pipe has not accepted yet.
process.exitCode = await runProgram(program, process.argv.slice(2));
