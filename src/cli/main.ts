#!/usr/bin/env node
/** @file The command `softrepa`. */

import { generateCommand } from "./commands/generate.js";
import { scoreCommand } from "./commands/score.js";
import { trainCommand } from "./commands/train.js";
import { handlers } from "./handlers.js";
import { createProgram, runProgram } from "./program.js";

const program = createProgram([
  trainCommand(handlers.train),
  generateCommand(handlers.generate),
  scoreCommand(handlers.score),
]);

// The code is set and the process left to end by itself: process.exit would cut off output still on its way to a pipe.
process.exitCode = await runProgram(program, process.argv.slice(2));
