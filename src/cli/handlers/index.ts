/** @file What the commands do once their options are read. */

export { runDataCheck } from "./data.js";
export { runDemoCommand } from "./demo.js";
export { runCompare, runEval } from "./eval.js";
export { runGenerate } from "./generate.js";
export { runScore } from "./score.js";
export { runPlan } from "./train/plan.js";
export { runTrain } from "./train/train.js";
