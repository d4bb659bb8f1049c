/**
 * @file The library: open a model, generate, edit, train and score.
 *
 * ```ts
 * import { open, SoftTokens } from "softrepa";
 *
 * await using model = await open("path/to/pipeline");
 * const tokens = await SoftTokens.read("tokens.safetensors");
 * const [image] = await model.generate("two cats", { tokens, seed: 7 });
 * await image.save("cats.png");
 * ```
 *
 * `softrepa/editing`, `softrepa/families`, `softrepa/training`, `softrepa/evaluation` and `softrepa/graph` have the parts underneath.
 */

export {
  type Abortable,
  type ErrorKind,
  InputError,
  InterruptedError,
  RuntimeFailure,
  SoftrepaError,
  UsageError,
} from "./core/errors.js";
export type { EditOptions } from "./library/edit.js";
export { Generation } from "./library/generation.js";
export { type GenerateOptions, Model } from "./library/model.js";
export { type OpenOptions, open } from "./library/open.js";
export type { ScoreOptions, ScoreResult } from "./library/score.js";
export { SoftTokens } from "./library/soft-tokens.js";
export type { NewRunOptions, ResumeOptions, Run, TrainOptions } from "./library/train.js";
export type { TruncatedPrompt } from "./pipelines/pipeline.js";
export type { RunEvent } from "./runs/events.js";
export { GeneratedImage, type ImageSettings } from "./sampling/generated-image.js";
