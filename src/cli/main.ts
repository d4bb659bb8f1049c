#!/usr/bin/env node
/** @file The command `softrepa`. */

import { compareCommand } from "./commands/compare.js";
import { dataCommand } from "./commands/data.js";
import { demoCommand } from "./commands/demo.js";
import { evalCommand } from "./commands/eval.js";
import { generateCommand } from "./commands/generate.js";
import { planCommand } from "./commands/plan.js";
import { scoreCommand } from "./commands/score.js";
import { tokensCommand } from "./commands/tokens.js";
import { trainCommand } from "./commands/train.js";
import {
  runCompare,
  runDataCheck,
  runDemoCommand,
  runEval,
  runGenerate,
  runPlan,
  runScore,
  runTrain,
} from "./handlers/index.js";
import { createProgram, runProgram } from "./program.js";

const program = createProgram([
  trainCommand(runTrain),
  planCommand(runPlan),
  generateCommand(runGenerate),
  scoreCommand(runScore),
  evalCommand(runEval),
  compareCommand(runCompare),
  tokensCommand(),
  dataCommand(runDataCheck),
  demoCommand(runDemoCommand),
]);

// The code is set and the process left to end by itself: process.exit would cut off output still on its way to a pipe.
process.exitCode = await runProgram(program, process.argv.slice(2));
