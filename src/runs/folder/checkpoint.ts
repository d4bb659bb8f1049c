/**
 * @file A checkpoint: `step-000500/` with the tokens as a usable file, the moments of the optimizer, the state of random numbers
 * and data, and a manifest with hashes, written last.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../../core/errors.js";
import { writeFileAtomic, writeFolderAtomic } from "../../core/files.js";
import { generatorStateSchema } from "../../core/random.js";
import { floatTensor, type Tensor } from "../../core/tensor.js";
import { readSoftTokens, writeSoftTokens } from "../../softtokens/formats/index.js";
import type { SoftTokens } from "../../softtokens/softtokens.js";
import type { AdamWState } from "../../training/adamw.js";
import type { TrainingState } from "../../training/training-state.js";
import { openSafetensors, readTensor, writeSafetensors } from "../../weights/safetensors.js";
import { type Manifest, verifiedManifest, writeManifest } from "./manifest.js";

export const checkpointTokens = "tokens.safetensors";
const momentsFile = "optimizer.safetensors";
const stateFile = "state.json";

const stateSchema = z.strictObject({
  step: z.int().nonnegative(),
  random: generatorStateSchema,
  sampler: z.strictObject({ seed: z.int().nonnegative(), batches: z.int().nonnegative() }),
  counts: z.strictObject({ tokens: z.int().nonnegative(), timeTable: z.int().nonnegative().nullable() }),
  /** Model and data of the run, which must be the same when it is resumed. */
  fingerprints: z.strictObject({ model: z.string(), data: z.string() }),
});
export type Fingerprints = z.infer<typeof stateSchema>["fingerprints"];

export interface Checkpoint {
  readonly softTokens: SoftTokens;
  readonly state: TrainingState;
  readonly metrics: Manifest["metrics"];
  readonly fingerprints: Fingerprints;
}

/** Writes `folder` atomically. */
export async function writeCheckpoint(folder: string, checkpoint: Checkpoint): Promise<void> {
  const { softTokens, state, metrics, fingerprints } = checkpoint;
  const { step, random, sampler, tokens, timeTable } = state;
  await writeFolderAtomic(folder, async (temporary) => {
    await writeSoftTokens(join(temporary, checkpointTokens), softTokens, "softrepa");
    const moments = new Map<string, Tensor>();
    for (const [name, own] of Object.entries({ tokens, timeTable })) {
      if (own === undefined) continue;
      moments.set(`${name}.first`, floatTensor([own.first.length], own.first));
      moments.set(`${name}.second`, floatTensor([own.second.length], own.second));
    }
    await writeSafetensors(join(temporary, momentsFile), moments);
    const counts = { tokens: tokens.count, timeTable: timeTable?.count ?? null };
    const json: z.infer<typeof stateSchema> = { step, random, sampler, counts, fingerprints };
    await writeFileAtomic(join(temporary, stateFile), `${JSON.stringify(json, null, 2)}\n`);
    await writeManifest(temporary, step, metrics);
  });
}

/** @throws InputError if any file in `folder` is damaged or missing */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const { metrics } = await verifiedManifest(folder);
  const softTokens = await readSoftTokens(join(folder, checkpointTokens));
  const { counts, fingerprints, ...json } = await readState(folder);
  const file = join(folder, momentsFile);
  const { tensors } = await openSafetensors(file);
  const momentsOf = async (name: string, count: number): Promise<AdamWState> => {
    const read = async (which: string) => {
      const stored = tensors.get(`${name}.${which}`);
      if (stored === undefined) throw new InputError(`${file} has no tensor ${name}.${which}`);
      return (await readTensor(stored)).data;
    };
    return { first: await read("first"), second: await read("second"), count };
  };
  const tokens = await momentsOf("tokens", counts.tokens);
  const timeTable = counts.timeTable === null ? undefined : await momentsOf("timeTable", counts.timeTable);
  return { softTokens, state: { ...json, tokens, timeTable }, metrics, fingerprints };
}

async function readState(folder: string): Promise<z.infer<typeof stateSchema>> {
  const file = join(folder, stateFile);
  try {
    return stateSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    throw new InputError(`cannot parse ${file}: ${messageOf(error)}`, { cause: error });
  }
}
