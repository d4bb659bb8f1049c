/**
 * @file The folder of a training run: `config.yaml`, `log.jsonl`, `checkpoints/step-000500/`, `samples/`, `tokens.safetensors`.
 */

import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { InputError, SoftrepaError } from "../../core/errors.js";
import { removeLeftovers } from "../../core/files.js";
import { ifMissing, isUnreadable } from "../../core/missing.js";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { type Manifest, readManifest } from "./manifest.js";
import { lockName } from "./run-lock.js";

/** The metric that checkpoints are compared by. */
export interface BestBy {
  readonly metric: string;
  readonly better: "lower" | "higher";
}

export interface KeepRule {
  /** Number of newest checkpoints to keep; 0 keeps all. */
  readonly last: number;
  /** How to choose the best checkpoint, which is kept too. */
  readonly best: BestBy | undefined;
}

export interface StoredCheckpoint {
  readonly step: number;
  readonly folder: string;
}

export class RunFolder {
  readonly config: string;
  readonly log: string;
  readonly tokens: string;
  /** Estimated and actual cost of the run. */
  readonly plan: string;
  readonly samples: string;
  private readonly checkpoints: string;

  constructor(readonly path: string) {
    this.config = join(path, "config.yaml");
    this.log = join(path, "log.jsonl");
    this.tokens = join(path, "tokens.safetensors");
    this.plan = join(path, "plan.json");
    this.samples = join(path, "samples");
    this.checkpoints = join(path, "checkpoints");
  }

  /** Removes the files of an older run, which would look like those of this run; other files remain. */
  async clear(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    for (const { folder } of await this.listCheckpoints()) await rm(folder, { recursive: true });
    for (const name of await namesIn(this.samples)) {
      if (/^step-\d{6,}-p\d+-s\d+\.png$/.test(name)) await rm(join(this.samples, name));
    }
    for (const file of [this.log, this.tokens, this.plan]) await rm(file, { force: true });
    await this.sweep();
  }

  /** Removes temporary files of killed processes; the lock must be held. */
  async sweep(): Promise<void> {
    const locks = (await namesIn(this.path)).filter((name) => name.startsWith(`${lockName}.`) && name.endsWith(".tmp"));
    for (const name of locks) await rm(join(this.path, name), { force: true });
    for (const folder of [this.path, this.samples, this.checkpoints]) await removeLeftovers(folder);
  }

  checkpointAt(step: number): string {
    return join(this.checkpoints, `step-${padded(step)}`);
  }

  /** The sample image of a prompt, counted from 0. */
  sampleAt(step: number, prompt: number, seed: number): string {
    return join(this.samples, `step-${padded(step)}-p${String(prompt).padStart(2, "0")}-s${seed}.png`);
  }

  /** Oldest first. */
  async listCheckpoints(): Promise<StoredCheckpoint[]> {
    const found = (await namesIn(this.checkpoints)).flatMap((name): StoredCheckpoint[] => {
      const step = /^step-(\d{6,})$/.exec(name)?.[1];
      return step === undefined ? [] : [{ step: Number(step), folder: join(this.checkpoints, name) }];
    });
    return found.sort((a, b) => a.step - b.step);
  }

  /** Writes a checkpoint, then removes checkpoints that `keep` does not keep. */
  async save(checkpoint: Checkpoint, keep: KeepRule): Promise<string> {
    const folder = this.checkpointAt(checkpoint.state.step);
    await writeCheckpoint(folder, checkpoint);
    const all = await this.listCheckpoints();
    const kept = new Set(
      keep.last === 0 ? all.map((one) => one.folder) : all.slice(-keep.last).map((one) => one.folder),
    );
    const best = keep.best && (await this.best(keep.best));
    if (best !== undefined) kept.add(best.folder);
    for (const one of all) if (!kept.has(one.folder)) await rm(one.folder, { recursive: true });
    return folder;
  }

  /** The checkpoint with the best metric, the older one in case of a tie; undefined if none has the metric. */
  async best({ metric, better }: BestBy): Promise<(StoredCheckpoint & { readonly value: number }) | undefined> {
    let best: (StoredCheckpoint & { readonly value: number }) | undefined;
    for (const one of await this.listCheckpoints()) {
      const manifest: Manifest | undefined = await readManifest(one.folder).catch(ifDamaged);
      const value = manifest?.metrics[metric];
      if (value === undefined) continue;
      if (best === undefined || (better === "lower" ? value < best.value : value > best.value))
        best = { ...one, value };
    }
    return best;
  }

  /**
   * The newest intact checkpoint; undefined if there are no checkpoints. Reports and skips damaged ones.
   *
   * @throws InputError if all checkpoints are damaged
   */
  async newest(onDamaged: (message: string) => void): Promise<Checkpoint | undefined> {
    let damage: InputError | undefined;
    for (const { folder } of (await this.listCheckpoints()).reverse()) {
      try {
        return await readCheckpoint(folder);
      } catch (error) {
        if (!(error instanceof SoftrepaError) || isUnreadable(error)) throw error;
        damage ??= new InputError(error.message, { cause: error });
        onDamaged(error.message);
      }
    }
    if (damage !== undefined) throw damage;
    return undefined;
  }
}

function padded(step: number): string {
  return String(step).padStart(6, "0");
}

/** A damaged checkpoint has no metrics; one that cannot be read may be the best one, which must not be removed. */
function ifDamaged(error: unknown): undefined {
  if (isUnreadable(error)) throw error;
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(ifMissing<string[]>([]));
}
