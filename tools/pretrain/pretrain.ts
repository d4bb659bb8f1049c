/** @file All of pre-training, from nothing but the renderer: the autoencoder, latents of scenes, then text encoders and transformer together. */

import { join } from "node:path";
import type { FloatTensor } from "#softrepa/core/tensor.js";
import { openClipTokenizer } from "#softrepa/models/tokenizer/clip.js";
import type { Engine } from "#softrepa/runtime/engine.js";
import { type AccuracySettings, measureAccuracy } from "./accuracy.js";
import { autoencoderBatch, autoencoderLoss, sceneEncoder } from "./autoencoder.js";
import { autoencoderConfig, clipConfigs, promptLength, transformerConfig } from "./configs.js";
import { writePipeline, writeTokenizers } from "./folder.js";
import { type InitialWeight, initialWeights, normal, positionTable, zeros } from "./initial.js";
import { isFixed, jointBatch, jointLoss } from "./joint.js";
import { Network } from "./network.js";
import { measureReconstructions } from "./reconstruction.js";
import { SceneLatents } from "./scene-latents.js";
import { loadState, runStage, type Stage, type StageHooks, trapezoid } from "./stage.js";

export interface PretrainSettings {
  readonly autoencoder: {
    readonly batch: number;
    /**
     * Steps with latents pressed to one scale, which makes them smooth, and then with nearly free ones, for small shapes' corners. In the last third of
     * either the learning rate falls; until then they can be changed.
     */
    readonly coarseSteps: number;
    readonly fineSteps: number;
    /** Whose reconstructions are verified every thousand steps and at the end of a stage; a multiple of 16. */
    readonly evaluatedScenes: number;
  };
  readonly latents: {
    readonly shardSize: number;
    /** Training begins on few scenes, so that it need not wait for many to be encoded, and sees a shard more every so many steps. */
    readonly stepsPerShard: number;
    readonly maxShards: number;
  };
  readonly transformer: {
    readonly batch: number;
    /** The last fifth of the steps have a falling learning rate; until then the number can be changed. */
    readonly steps: number;
    readonly warmUpSteps: number;
    readonly headAfterBlock: number;
    readonly headWeight: number;
  };
  readonly evaluation: AccuracySettings & { readonly everySteps: number };
}

export const defaultSettings: PretrainSettings = {
  autoencoder: { batch: 8, coarseSteps: 2400, fineSteps: 6000, evaluatedScenes: 1200 },
  latents: { shardSize: 8192, stepsPerShard: 1000, maxShards: 32 },
  transformer: { batch: 96, steps: 31_250, warmUpSteps: 300, headAfterBlock: 3, headWeight: 0.25 },
  evaluation: { everySteps: 1000, prompts: 300, steps: 16, guidanceScale: 3, batch: 20 },
};

type Averages = ReadonlyMap<string, FloatTensor>;

/** Goes on from the states in `folder`, where the pipeline's folder is written too; `exportOnly` writes it from the states as they are. */
export async function pretrain(
  engine: Engine,
  folder: string,
  settings: PretrainSettings,
  hooks: StageHooks,
  { exportOnly = false } = {},
): Promise<void> {
  const autoencoder = await trainAutoencoder(engine, folder, settings.autoencoder, hooks);
  if (!autoencoder) return;
  const { stepsPerShard, maxShards, shardSize } = settings.latents;
  const encode = await sceneEncoder(engine, autoencoder, autoencoderConfig);
  const scenes = await SceneLatents.open({ folder: join(folder, "latents"), shardSize, encode });
  hooks.print(`latents: shift ${scenes.scale.shift}, scale ${scenes.scale.scale}`);
  const pipeline = join(folder, "pipeline");
  await writeTokenizers(pipeline);
  const tokenizer = await openClipTokenizer(join(pipeline, "tokenizer"));
  const { batch, steps, warmUpSteps, ...head } = settings.transformer;
  const joint = { clip: clipConfigs, transformer: transformerConfig, promptLength, ...head };
  const network = await Network.compile(
    engine,
    (w) => jointLoss(w, joint, batch),
    initialWeights(3, [
      [/norm1(_context)?\.linear\.|norm_out\.linear\.|^transformer\.proj_out\./, zeros],
      [/time_text_embed\.text_embedder\.linear_2\./, zeros],
      [/_embedding\.weight$/, normal(0.1)],
      [/pos_embed\.pos_embed$/, positionTable(transformerConfig.pos_embed_max_size)],
    ]),
    { weightDecay: 0.01, beta2: 0.98, gradientNorm: 1, averageDecay: 0.999 },
    isFixed,
  );
  const writeFolder = () => writePipeline(pipeline, autoencoder, network.averages(), scenes.scale);
  const { everySteps, ...accuracy } = settings.evaluation;
  const stage: Stage = {
    name: "transformer",
    network,
    steps,
    batch,
    nextBatch: async (random, step) => {
      const seen = await scenes.first(Math.min(maxShards, 4 + Math.floor(step / stepsPerShard)));
      return jointBatch(seen, batch, tokenizer, random);
    },
    learningRate: trapezoid(1.2e-3, warmUpSteps, Math.ceil(steps / 5), steps),
    evaluation: {
      everySteps,
      measure: async () => {
        await writeFolder();
        return measureAccuracy(pipeline, engine, accuracy);
      },
    },
  };
  if (exportOnly) await loadState(stage, folder);
  else await runStage(stage, folder, hooks);
  await writeFolder();
  hooks.print(`${pipeline}: after ${network.step} steps`);
  await network.release();
}

type AutoencoderSettings = PretrainSettings["autoencoder"];

/** Null if it was interrupted. */
async function trainAutoencoder(engine: Engine, folder: string, settings: AutoencoderSettings, hooks: StageHooks) {
  const { batch, coarseSteps, fineSteps, evaluatedScenes } = settings;
  const train = async (name: string, steps: number, klWeight: number, initial: InitialWeight) => {
    const network = await Network.compile(
      engine,
      (w) => autoencoderLoss(w, autoencoderConfig, batch, klWeight),
      initial,
      { weightDecay: 0.01, beta2: 0.99, gradientNorm: 1, averageDecay: 0.998 },
    );
    const stage: Stage = {
      name,
      network,
      steps,
      batch,
      nextBatch: (random) => autoencoderBatch(autoencoderConfig, batch, random),
      learningRate: trapezoid(2e-3, 50, Math.ceil(steps / 3), steps),
      evaluation: {
        everySteps: 1000,
        measure: () => measureReconstructions(engine, autoencoderConfig, network.averages(), evaluatedScenes),
      },
    };
    const done = await runStage(stage, folder, hooks);
    await network.release();
    return done ? network.averages() : null;
  };
  const coarse: Averages | null = await train("autoencoder", coarseSteps, 1e-3, initialWeights(1, []));
  if (!coarse) return null;
  const fromCoarse: InitialWeight = (name, shape) => coarse.get(name)?.data.slice() ?? zeros(shape);
  return train("autoencoder-fine", fineSteps, 1e-4, fromCoarse);
}
