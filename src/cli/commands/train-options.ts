/** @file Options of `softrepa train`: those of a `RunSpec`, grouped, and those of the command itself. */

import type { z } from "zod";
import { flag, path } from "../../core/option-values.js";
import { builtInObjective } from "../../runs/config/config-schema.js";
import { keyOf } from "../../runs/config/keys.js";
import { runSpec } from "../../runs/run-spec.js";
import { forceField, jsonField } from "../common.js";
import { asText, type Field, group, ifTyped, option, repeated } from "../options.js";

type Schemas = typeof runSpec.shape;
type Name = keyof Schemas;

/** Placeholders of the values of options, by option name; "" for a flag without a value. */
type Placeholders = { readonly [Key in Name]?: string };

/** Options that may be given several times. */
const repeatable: ReadonlySet<string> = new Set(["data", "samplePrompts", "tokenizers"] satisfies Name[]);

/** A field per option; its value is undefined if it was not typed. */
type TypedFields<P extends Placeholders> = {
  readonly [Key in keyof P & Name]: Field<Exclude<z.output<Schemas[Key]>, undefined> | undefined>;
};

/** Leaves untyped options undefined, so that a configuration file, a preset or the default of `RunSpec` applies. */
function typedFields<const P extends Placeholders>(placeholders: P): TypedFields<P> {
  const fields = Object.entries(placeholders).map(([name, placeholder]) => {
    const schema = name === "objective" ? builtInObjective : runSpec.shape[name as Name];
    const flags = `--${keyOf(name)} ${placeholder}`.trim();
    const field = repeatable.has(name)
      ? repeated(flags, schema)
      : option(flags, schema, placeholder === "<size>" ? asText : undefined);
    return [name, ifTyped(field)];
  });
  // One field per placeholder, with the type of its schema.
  return Object.fromEntries(fields) as TypedFields<P>;
}

/** New fields for each command, because commander keeps state in them. */
export function trainFields() {
  return {
    ...typedFields({ model: "<path>", data: "<path...>", out: "<folder>" }),
    force: forceField("overwrite a run folder that is not empty"),
    ...group("Sources of settings", {
      config: option("--config <file>", path.optional().describe("YAML file; typed options take precedence")),
      ...typedFields({ preset: "<family>" }),
      resume: option("--resume <folder>", path.optional().describe("continue a run from its last checkpoint")),
      dryRun: option("--dry-run", flag.describe("check everything, print settings, write nothing")),
    }),
    ...group(
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
    ...group(
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
    ...group("Objective", typedFields({ objective: "<name>", temperature: "<x>", scale: "<x>", dweight: "<x>" })),
    ...group(
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
    ...group("Validation", typedFields({ holdOut: "<n>", validation: "<path>", validateEvery: "<n>" })),
    ...group(
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
    ...group(
      "Saving",
      typedFields({ saveEvery: "<n>", keepLast: "<n>", best: "<metric>", logEvery: "<n>", tensorboard: "" }),
    ),
    ...group("Model files", typedFields({ variant: "<name>", tokenizers: "<folder>", textEncoders: "<folder>" })),
    ...group("Machine", {
      ...typedFields({ engine: "<name>", provider: "<name>", precision: "<name>", threads: "<n>" }),
      json: jsonField(),
    }),
  };
}
