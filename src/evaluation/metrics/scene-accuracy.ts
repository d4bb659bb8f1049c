/** @file The scenes' verifier as a metric: GenEval's question of each scene, by category (arXiv 2310.11513). */

import { z } from "zod";
import { InputError, throwIfAborted } from "../../core/errors.js";
import { readImageSize, readRgbImage } from "../../data/rgb-image.js";
import { readPrompt } from "../../scenes/read-prompt.js";
import { categories, colours, imageSize, relations, shapes } from "../../scenes/scene.js";
import { type Expectation, verify } from "../../scenes/verify.js";
import { accuracy } from "../paired-comparison.js";
import { defineMetric, type EvaluatedImage, type Verdict, type VerdictMetric } from "./metric.js";
import { normalized } from "./preprocess.js";
import type { RunHooks } from "./run-graph.js";

const expectationSchema = z.strictObject({
  category: z.enum(categories),
  objects: z
    .array(z.strictObject({ shape: z.enum(shapes), colour: z.enum(colours).nullable(), count: z.int().positive() }))
    .min(1),
  relation: z.enum(relations).nullable(),
});

/** What `softrepa eval` writes into metadata.jsonl for images of scenes. */
const metadataSchema = z.looseObject({ expectation: expectationSchema.optional() });

export const sceneVerifier: VerdictMetric = {
  kind: "verdict",
  name: accuracy.name,
  weights: "",
  async verdicts(images: readonly EvaluatedImage[], { signal, onProgress }: RunHooks) {
    const verdicts: (Verdict | null)[] = [];
    for (const image of images) {
      throwIfAborted(signal);
      verdicts.push(await verdictOf(image));
      onProgress?.(verdicts.length, images.length);
    }
    return verdicts;
  },
  save: async () => {},
  release: async () => {},
};

export const sceneAccuracy = defineMetric({ name: "accuracy", files: {}, open: async () => sceneVerifier });

async function verdictOf(image: EvaluatedImage): Promise<Verdict | null> {
  const expectation = expectationIn(image) ?? (await expectationOfPrompt(image));
  if (expectation === null) return null;
  const pixels = await readRgbImage(image.file);
  if (pixels.width !== imageSize || pixels.height !== imageSize) {
    throw new InputError(
      `the scenes' verifier reads images of ${imageSize} x ${imageSize}; ${image.file} has ${pixels.width} x ${pixels.height}`,
    );
  }
  // Bytes to -1..1.
  const { correct, reason } = verify(normalized(pixels, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]), expectation);
  return { correct, reason, category: expectation.category };
}

function expectationIn({ file, metadata = {} }: EvaluatedImage): Expectation | null {
  const parsed = metadataSchema.safeParse(metadata);
  if (parsed.success) return parsed.data.expectation ?? null;
  const [issue] = parsed.error.issues;
  throw new InputError(`the metadata of ${file}: "${issue?.path.join(".")}": ${issue?.message}`);
}

/** Of an image as small as a scene's whose prompt says what a scene can hold. */
async function expectationOfPrompt({ file, prompt }: EvaluatedImage): Promise<Expectation | null> {
  const expectation = readPrompt(prompt);
  if (expectation === null) return null;
  const { width, height } = await readImageSize(file);
  return width === imageSize && height === imageSize ? expectation : null;
}
