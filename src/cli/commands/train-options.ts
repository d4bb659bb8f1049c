/** @file The options of `softrepa train`: those of a `RunSpec`, under headings, and what to do with it. */

import type { z } from "zod";
import { flag, path } from "../../core/option-values.js";
import { builtInObjective } from "../../runs/config/config-schema.js";
import { keyOf } from "../../runs/config/keys.js";
import { runSpec } from "../../runs/run-spec.js";
import { forceField, jsonField } from "../common.js";
import { asText, type Field, ifTyped, option, repeated, under } from "../options.js";

type Shape = typeof runSpec.shape;
type Name = keyof Shape;

/** Options of a run under one heading: each a flag of its key with this placeholder. */
type Placeholders = { readonly [Key in Name]?: string };

/** May be given several times. */
const severalTimes: ReadonlySet<string> = new Set(["data", "samplePrompts", "tokenizers"] satisfies Name[]);

/** The value of an option where it was typed. */
type TypedFields<P extends Placeholders> = {
  readonly [Key in keyof P & Name]: Field<Exclude<z.output<Shape[Key]>, undefined> | undefined>;
};

/** What is not typed is undefined: a configuration file, a preset or `RunSpec` itself says it. */
function typedFields<const P extends Placeholders>(placeholders: P): TypedFields<P> {
  const fields = Object.entries(placeholders).map(([name, placeholder]) => {
    const schema = name === "objective" ? builtInObjective : runSpec.shape[name as Name];
    const flags = `--${keyOf(name)} ${placeholder}`.trim();
    const field = severalTimes.has(name)
      ? repeated(flags, schema)
      : option(flags, schema, placeholder === "<size>" ? asText : undefined);
    return [name, ifTyped(field)];
  });
  // One field for each placeholder, of its schema.
  return Object.fromEntries(fields) as TypedFields<P>;
}

/** Fresh fields for one command (commander keeps state in them). */
export function trainFields() {
  return {
    ...typedFields({ model: "<path>", data: "<path...>", out: "<folder>" }),
    force: forceField("overwrite a run folder that is not empty"),
    ...under("Where settings come from", {
      config: option("--config <file>", path.optional().describe("YAML; what is typed beside it wins")),
      ...typedFields({ preset: "<family>" }),
      resume: option("--resume <folder>", path.optional().describe("go on with a run, from its last checkpoint")),
      dryRun: option("--dry-run", flag.describe("check all, print the settings, write nothing")),
    }),
    ...under(
      "Soft tokens",
      typedFields({
        layers: "<n>",
        tokens: "<n>",
        buckets: "<n>",
        width: "<kind>",
        stages: "<list>",
        initTokens: "<file>",
      }),
    ),
    ...under(
      "Training",
      typedFields({
        steps: "<n>",
        epochs: "<x>",
        batch: "<n>",
        learningRate: "<x>",
        weightDecay: "<x>",
        restartPeriod: "<n>",
        schedulerEvery: "<n>",
        minimumLearningRate: "<x>",
        seed: "<n>",
      }),
    ),
    ...under("Objective", typedFields({ objective: "<name>", temperature: "<x>", scale: "<x>", dweight: "<x>" })),
    ...under(
      "Data and memory",
      typedFields({
        skipUnusable: "",
        crop: "<part>",
        flip: "",
        resolution: "<n>",
        maxSequenceLength: "<n>",
        pairsPerRun: "<n>",
        checkpoints: "<when>",
        repack: "<when>",
        memory: "<size>",
        captionWindow: "<n>",
        latentsCache: "<dir>",
        latentsCacheLimit: "<size>",
      }),
    ),
    ...under("Validation", typedFields({ holdOut: "<n>", validation: "<path>", validateEvery: "<n>" })),
    ...under(
      "Samples while training",
      typedFields({
        samplePrompts: "<text>",
        samplePromptsFile: "<file>",
        sampleEvery: "<n>",
        sampleSeed: "<n>",
        sampleSteps: "<n>",
        sampleGuidance: "<x>",
        sampleSize: "<n>",
      }),
    ),
    ...under(
      "Saving",
      typedFields({ saveEvery: "<n>", keepLast: "<n>", best: "<metric>", logEvery: "<n>", tensorboard: "" }),
    ),
    ...under("Model files", typedFields({ variant: "<name>", tokenizers: "<folder>", textEncoders: "<folder>" })),
    ...under("Machine", {
      ...typedFields({ engine: "<name>", provider: "<name>", precision: "<name>", threads: "<n>" }),
      json: jsonField(),
    }),
  };
}
