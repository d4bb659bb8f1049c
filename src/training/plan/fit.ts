/** @file What a run chooses by its memory: pairs a run, whether activations are kept, and how many encodings it keeps. */

import { formatByteSize } from "../../core/byte-size.js";
import { InputError } from "../../core/errors.js";
import type { DiffusionPipeline } from "../../pipelines/pipeline.js";
import { defaultCacheBytes, type MemoryPlan, planMemory, type RunSizes } from "./memory.js";
import { type CheckpointUse, type RunShape, runShapes } from "./run-shapes.js";

export interface FittedRun extends RunShape {
  readonly cacheBytes: number;
  readonly memory: MemoryPlan;
}

/** What the user asks for. */
export interface FitWishes {
  /** Pairs a run. */
  readonly chunk?: number | undefined;
  readonly checkpoints: CheckpointUse;
  /** Most bytes that the process may take. */
  readonly limit?: number | undefined;
}

/** The machine as it is now, in bytes. */
export interface MachineMemory {
  /** Of this process. */
  readonly resident: number;
  /** What the system could still give. */
  readonly available: number;
}

/** Of what is available; the rest is for other programs and for what grows beyond its forecast. */
const availableShare = 0.5;
/** Of a limit, for encodings before activations are kept: encoding the same captions again costs time too. */
const encodingShare = 1 / 8;

export function machineMemory(): MachineMemory {
  return { resident: process.memoryUsage().rss, available: process.availableMemory() };
}

/** What a process may take in addition where nothing is said. */
export function memoryToTake({ available }: MachineMemory): number {
  return availableShare * available;
}

/**
 * The fastest way to run that fits, in the order of `runShapes`, with at most the usual number of pairs a run, beyond which
 * nothing gets faster; encodings get what is left. What is given stays. Without a limit, half of what the system has available
 * decides, and where nothing fits into that, the run with the least of it goes ahead all the same. What other providers than
 * the CPU have is not known: they compute activations twice unless told otherwise.
 *
 * @throws InputError where nothing fits into the limit, which says how much is needed
 */
export function fitRun(
  pipeline: DiffusionPipeline,
  sizes: Omit<RunSizes, keyof RunShape | "cacheBytes">,
  wishes: FitWishes,
  machine: MachineMemory = machineMemory(),
): FittedRun {
  const plan = ({ chunk, checkpoints }: RunShape, cacheBytes: number): FittedRun => {
    const memory = planMemory(pipeline, { ...sizes, chunk, checkpoints, cacheBytes }, machine.resident);
    return { chunk, checkpoints, cacheBytes, memory };
  };
  const { limit } = wishes;
  const unknownMemory = pipeline.engine.provider !== "cpu";
  const side = sizes.resolution / pipeline.latentScale;
  const shapes = runShapes({
    ...{ batch: sizes.batch, chunk: wishes.chunk, limited: limit !== undefined },
    tokensAPair: pipeline.tokensAPair([pipeline.latentChannels, side, side]),
    precision: pipeline.engine.precision,
    checkpoints: wishes.checkpoints === "auto" && unknownMemory ? "always" : wishes.checkpoints,
  });
  if (limit !== undefined) return fitLimit(shapes, plan, sizes.resolution, limit);
  const budget = machine.resident + memoryToTake(machine);
  let fitted: FittedRun | undefined;
  for (const shape of shapes) {
    fitted = plan(shape, defaultCacheBytes);
    if (fitted.memory.total <= budget) break;
  }
  if (fitted === undefined) throw new InputError("a batch without pairs cannot be trained on");
  return fitted;
}

function fitLimit(
  shapes: readonly RunShape[],
  plan: (shape: RunShape, cacheBytes: number) => FittedRun,
  resolution: number,
  limit: number,
): FittedRun {
  const bare = shapes.map((shape) => plan(shape, 0));
  const fits = (fitted: FittedRun) => fitted.memory.total <= limit;
  // Where only activations that are kept leave no room for encodings, they are kept all the same.
  const roomy = (fitted: FittedRun) => fits(fitted.checkpoints ? fitted : plan(fitted, encodingShare * limit));
  const found = bare.find(roomy) ?? bare.find(fits);
  if (found !== undefined) return plan(found, Math.min(defaultCacheBytes, limit - found.memory.total));
  const { chunk, checkpoints, memory } = bare.reduce((least, each) =>
    each.memory.total < least.memory.total ? each : least,
  );
  const how = `with ${chunk} ${chunk === 1 ? "pair" : "pairs"} a run, ${activationsIn(checkpoints)} and no encodings kept`;
  throw new InputError(
    `--memory ${formatByteSize(limit)} is too little: at ${resolution} x ${resolution} pixels this run takes at least ${formatByteSize(memory.total)}, ${how}; give it more, a smaller --resolution${shapes.some((shape) => shape.checkpoints) ? "" : ", or --checkpoints always"}`,
  );
}

/** In words. */
export function activationsIn(checkpoints: boolean): string {
  return checkpoints ? "activations computed twice" : "activations kept";
}
