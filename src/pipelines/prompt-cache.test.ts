import assert from "node:assert/strict";
import { test } from "node:test";
import { openTiny } from "../testing/pipelines/support.js";
import { encodeForGuidance } from "./conditioning.js";
import { PromptCache } from "./prompt-cache.js";

test("kept prompts are what the pipeline makes of them, and are encoded once", async () => {
  const pipeline = await openTiny("sd3");
  const prompts = ["a red circle", "two cats", "a red circle ".repeat(40)];
  const wanted = await encodeForGuidance(pipeline, prompts, "blurry");
  assert.ok(wanted.truncated.length > 0);
  const asked: (readonly string[])[] = [];
  const kept = new PromptCache({
    forceZerosForEmptyPrompt: pipeline.forceZerosForEmptyPrompt,
    conditioningShapes: pipeline.conditioningShapes,
    encodePrompts: (some) => {
      asked.push(some);
      return pipeline.encodePrompts(some);
    },
  });
  for (let time = 0; time < 2; time++) assert.deepEqual(await encodeForGuidance(kept, prompts, "blurry"), wanted);
  const reversed = prompts.slice(0, 2).toReversed();
  const both = await kept.encodePrompts(reversed);
  assert.deepEqual(both.conditioning, (await encodeForGuidance(pipeline, reversed, null)).conditioning);
  assert.deepEqual(asked, [[prompts[0]], [prompts[1]], [prompts[2]], ["blurry"]]);
});
