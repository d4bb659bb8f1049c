/** @file The built-in verifier on picture files of the world's scenes. */

import { InputError } from "../../core/errors.js";
import { readPicture } from "../../data/picture.js";
import { imageSize } from "../../world/scene.js";
import { type Expectation, verify } from "../../world/verify.js";
import { normalized } from "../metrics/preprocess.js";
import type { Metric } from "../paired-comparison.js";

/** GenEval's question of each scene, by category (arXiv 2310.11513). */
export const accuracy: Metric = { name: "accuracy", kind: "verdict", better: "higher" };

/** Of GenEval's categories, the one that contrastive training is known to harm (arXiv 2605.30038). */
export const countingCategories: readonly string[] = ["counting"];

export interface SceneVerdict {
  readonly correct: boolean;
  readonly reason: string;
}

/** Whether the picture shows what it must, and if not, what is wrong. */
export async function verifyFile(file: string, expectation: Expectation): Promise<SceneVerdict> {
  const picture = await readPicture(file);
  if (picture.width !== imageSize || picture.height !== imageSize) {
    throw new InputError(
      `the built-in verifier reads pictures of ${imageSize} x ${imageSize}; ${file} has ${picture.width} x ${picture.height}`,
    );
  }
  // Bytes to -1..1.
  const { correct, reason } = verify(normalized(picture, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]), expectation);
  return { correct, reason };
}
