/** @file Goldens of three SoftREPA steps: errors, loss, gradients, and the tokens after AdamW. */

import { join } from "node:path";
import { floatTensor } from "#softrepa/core/tensor.js";
import { fullMatrix } from "#softrepa/objectives/candidates.js";
import { executionPlan } from "#softrepa/objectives/execution-plan.js";
import { softRepa } from "#softrepa/objectives/softrepa.js";
import { SoftTokenEmbedding } from "#softrepa/softtokens/embedding.js";
import { AdamW } from "#softrepa/training/adamw.js";
import { cosineRestarts } from "#softrepa/training/learning-rate.js";
import { TrainingStep } from "#softrepa/training/training-step.js";
import { type Comparison, compare, limits } from "./compare.js";
import { GoldenFile, readJson } from "./golden-file.js";
import { type Subject, softTokensOf, textSchema } from "./subject.js";

export async function* checkTrainingSteps(subject: Subject, golden: string): AsyncGenerator<Comparison> {
  const { folder, meta, pipeline } = subject;
  const file = await GoldenFile.open(join(folder, golden));
  const { lr, weight_decay, betas, eps, ...loss } = meta.softrepa;
  const [latents, noise, timesteps] = [
    await file.tensor("latents"),
    await file.tensor("noise"),
    await file.tensor("timesteps"),
  ];
  const images = latents.shape[0];
  const { prompts } = await readJson(folder, "prompts.json", textSchema);
  const { conditioning } = await pipeline.encodePrompts(prompts.slice(0, images));
  const softTokens = await softTokensOf(subject, golden, file, {
    tokens: "init.tokens",
    table: "init.t_tokens",
  });
  const embedding = await SoftTokenEmbedding.open(pipeline, softTokens);
  // A number of pairs per run that does not divide the batch, to test the padding of the last run too.
  const options = { latentShape: latents.shape.slice(1), plan: executionPlan(Math.max(1, images - 1)) };
  const contrast = await TrainingStep.open(pipeline, embedding, softRepa(loss), options);
  const settings = { weightDecay: weight_decay, beta1: betas[0], beta2: betas[1], epsilon: eps };
  const schedule = { learningRate: lr, period: 10, minimum: 1e-5 };
  const trained = [
    { name: "tokens", tensor: softTokens.tokens },
    ...(softTokens.timeTable ? [{ name: "t_tokens", tensor: softTokens.timeTable }] : []),
  ].map((part) => ({ ...part, optimizer: new AdamW(part.tensor.data, settings) }));

  for (const [step, timestep] of timesteps.data.entries()) {
    const name = (what: string) => `step${step}.${what}`;
    const result = await contrast.run({ latents, conditioning, noise, timestep, rows: fullMatrix(images) });
    const matrix = (values: readonly (readonly number[])[]) =>
      floatTensor([images, images], Float32Array.from(values.flat()));
    yield compare(
      name("errors"),
      matrix(result.rows.map(({ errors }) => errors)),
      await file.tensor(name("errors")),
      limits.error,
    );
    yield compare(
      name("logits"),
      matrix(result.rows.map(({ logits = [] }) => logits)),
      await file.tensor(name("logits")),
      limits.module,
    );
    const value = floatTensor([1], Float32Array.of(result.loss));
    yield compare(name("loss"), value, await file.tensor(name("loss")), limits.error);
    for (const part of trained) {
      const gradient = part.name === "tokens" ? result.gradients.tokens : result.gradients.timeTable;
      if (gradient === null) continue;
      const expected = await file.tensor(name(`grad.${part.name}`));
      yield compare(name(`grad.${part.name}`), gradient, expected, limits.gradient);
      part.optimizer.step(gradient.data, cosineRestarts(schedule, step));
      const after = await file.tensor(name(`after.${part.name}`));
      yield compare(name(`after.${part.name}`), part.tensor, after, limits.parameter);
    }
  }
  await contrast.release();
  await embedding.release();
}
