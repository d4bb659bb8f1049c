import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { SoftrepaError } from "../../core/errors.js";
import { type RunSpecInput, runSpec } from "../run-spec.js";
import { configSchema, helpOf, runOptions } from "./config-schema.js";
import { keyOf } from "./keys.js";
import { editDistance, nearestName } from "./nearest-name.js";
import { readConfigFile } from "./read-config.js";
import { configText } from "./write-config.js";

const folder = await mkdtemp(join(tmpdir(), "softrepa-config-"));
after(() => rm(folder, { recursive: true, force: true }));
let files = 0;

async function read(text: string): Promise<Partial<RunSpecInput>> {
  const file = join(folder, `${files++}.yaml`);
  await writeFile(file, text);
  return readConfigFile(file);
}

describe("configuration files", () => {
  it("round-trip through YAML", async () => {
    const path = fc.string({ minLength: 1, maxLength: 20 });
    const values = fc.record(
      {
        model: path,
        data: fc.array(
          fc.oneof(
            path,
            fc.record({ path, weight: fc.double({ min: 1e-6, max: 10, noNaN: true }) }, { noNullPrototype: true }),
          ),
          {
            minLength: 1,
            maxLength: 3,
          },
        ),
        samplePrompts: fc.array(fc.string({ maxLength: 40, unit: "grapheme" }), { minLength: 1, maxLength: 3 }),
        steps: fc.integer({ min: 1, max: 1e9 }),
        learningRate: fc.double({ min: 1e-12, max: 1e3, noNaN: true }),
        flip: fc.boolean(),
        stages: fc.constantFrom(["down"] as const, ["down", "mid"] as const),
        width: fc.constantFrom("raw" as const, "projected" as const),
      },
      { requiredKeys: [], noNullPrototype: true },
    );
    await fc.assert(
      fc.asyncProperty(values, async (written) => {
        assert.deepEqual(await read(configText(written, "s.json", "a note")), written);
      }),
      { numRuns: 200 },
    );
  });

  it("with arbitrary text are read, or rejected in one line", async () => {
    const keys = runOptions.map(keyOf);
    const line = fc.tuple(fc.oneof(fc.constantFrom(...keys), fc.string()), fc.oneof(fc.string(), fc.json()));
    const lines = fc.array(line).map((pairs) => pairs.map(([key, value]) => `${key}: ${value}`).join("\n"));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.string({ unit: "binary" }), lines), async (text) => {
        await read(text).catch((error: unknown) => {
          assert.ok(error instanceof SoftrepaError, String(error));
          assert.match(error.message, /^[^\n]+$/);
        });
      }),
      { numRuns: 300 },
    );
  });

  it("that expand aliases excessively are rejected", async () => {
    const levels = Array.from({ length: 9 }, (_, i) => `a${i + 1}: &b${i + 1} [${`*b${i},`.repeat(9)}]`);
    await assert.rejects(read(`a0: &b0 [x]\n${levels.join("\n")}`), SoftrepaError);
    const inside = Array.from({ length: 9 }, (_, i) => `&b${i + 1} [${`*b${i},`.repeat(9)}]`).join(", ");
    await assert.rejects(read(`data: [&b0 x, ${inside}]`), /Excessive alias count|data must be a path/);
  });
});

describe("the schema of configuration files", () => {
  const schema = configSchema() as {
    properties: Record<string, { description: string }>;
    additionalProperties: boolean;
  };

  it("lists exactly the options that a file may have, with their help", () => {
    assert.deepEqual(Object.keys(schema.properties), runOptions.map(keyOf));
    assert.equal(schema.properties.batch?.description, "images per step (default: 4)");
    assert.equal(schema.properties.stages?.description, helpOf(runSpec.shape.stages));
    assert.equal(schema.properties["validate-every"]?.description, "interval in steps (default: save-every)");
    assert.equal(schema.additionalProperties, false);
    for (const name of ["config", "resume", "force", "json"]) assert.ok(!(name in schema.properties));
  });

  it("equals the file in the package", () => {
    const shipped = readFileSync("schema/train.schema.json", "utf8");
    const now = `${JSON.stringify(schema, null, 2)}\n`;
    assert.equal(shipped, now, "node dist/runs/config/write-schema.js updates it");
  });
});

describe("nearest name", () => {
  it("editDistance counts insertions, deletions, replacements and swaps", () => {
    const cases: [string, string, number][] = [
      ["", "", 0],
      ["", "abc", 3],
      ["abc", "abc", 0],
      ["abc", "acb", 1],
      ["kitten", "sitting", 3],
      ["tempertaure", "temperature", 1],
    ];
    for (const [a, b, distance] of cases) {
      assert.equal(editDistance(a, b), distance);
      assert.equal(editDistance(b, a), distance);
    }
  });

  it("finds misspellings, other spellings and names of other trainers, and nothing if none is similar", () => {
    const names = ["lr", "batch", "steps", "weight-decay", "max-sequence-length", "out"];
    const cases: [string, string | undefined][] = [
      ["setps", "steps"],
      ["step", "steps"],
      ["WeightDecay", "weight-decay"],
      ["max_sequence_length", "max-sequence-length"],
      ["learning_rate", "lr"],
      ["train_batch_size", "batch"],
      ["output_dir", "out"],
      ["constructor", undefined],
      ["gradient-checkpointing", undefined],
      ["x".repeat(1e6), undefined],
    ];
    for (const [wrong, right] of cases) assert.equal(nearestName(wrong, names), right, wrong.slice(0, 40));
  });
});
