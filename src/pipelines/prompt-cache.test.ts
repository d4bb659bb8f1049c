import assert from "node:assert/strict";
import { test } from "node:test";
import { openTiny } from "../testing/pipelines/support.js";
import { encodeForGuidance } from "./conditioning.js";
import { PromptCache } from "./prompt-cache.js";

test("returns the pipeline's prompt embeds and encodes each prompt once", async () => {
  const pipeline = await openTiny("sd3");
  const prompts = ["a red circle", "two cats", "a red circle ".repeat(40)];
  const wanted = await encodeForGuidance(pipeline, prompts, "blurry");
  assert.ok(wanted.truncated.length > 0);
  const encoded: (readonly string[])[] = [];
  const cache = new PromptCache({
    forceZerosForEmptyPrompt: pipeline.forceZerosForEmptyPrompt,
    conditioningShapes: pipeline.conditioningShapes,
    encodePrompts: (some) => {
      encoded.push(some);
      return pipeline.encodePrompts(some);
    },
  });
  for (let time = 0; time < 2; time++) assert.deepEqual(await encodeForGuidance(cache, prompts, "blurry"), wanted);
  const reversed = prompts.slice(0, 2).toReversed();
  const both = await cache.encodePrompts(reversed);
  assert.deepEqual(both.conditioning, (await encodeForGuidance(pipeline, reversed, null)).conditioning);
  assert.deepEqual(encoded, [[prompts[0]], [prompts[1]], [prompts[2]], ["blurry"]]);
});
