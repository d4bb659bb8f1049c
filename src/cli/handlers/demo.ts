/** @file `softrepa demo`: what it does. */

import { fileURLToPath } from "node:url";
import { packageVersion } from "../../core/version.js";
import { runDemo } from "../../demo/run.js";
import { demoSettings, quickSettings } from "../../demo/settings.js";
import { openEngine } from "../../runtime/open-engine.js";
import type { DemoCommandOptions } from "../commands/demo.js";
import { engineRequest } from "../common.js";
import type { CommandContext } from "../context.js";
import { describeEngine } from "./session.js";

/** The pipeline that ships with the package. */
export const bundledPipeline = fileURLToPath(new URL("../../../demo/pipeline", import.meta.url));

export async function runDemoCommand(options: DemoCommandOptions, { reporter, signal }: CommandContext): Promise<void> {
  const { steps, prompts, guidance: guidanceScale, seed, out } = options;
  const { engine } = await openEngine(engineRequest(options));
  const description = describeEngine(engine);
  if (description) reporter.print(description);
  const settings = options.quick
    ? { ...quickSettings, seed }
    : { ...demoSettings, steps, prompts, guidanceScale, seed };
  try {
    await runDemo(
      engine,
      {
        model: options.model ?? bundledPipeline,
        out,
        settings,
        commandLine: ["softrepa", ...process.argv.slice(2)].join(" "),
        version: packageVersion(),
      },
      {
        signal,
        progress: (label, done, total, detail) => reporter.progress(label, done, total, detail),
        print: (line) => reporter.print(line),
      },
    );
  } finally {
    await engine.close();
  }
}
