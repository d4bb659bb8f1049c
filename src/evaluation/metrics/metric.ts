/** @file What a metric is: right or wrong, or a number, of an image with its prompt; a number of two images; a comparison of two sets of images. */

import type { Engine } from "../../runtime/engine.js";
import type { FeatureCache } from "./feature-cache.js";
import type { RunHooks } from "./run-graph.js";

export interface EvaluatedImage {
  readonly file: string;
  /** Of the file's content: `hashFile`. */
  readonly hash: string;
  readonly prompt: string;
  /** Further fields of the image's line in metadata.jsonl, which a metric may read. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

export interface MetricBase {
  /** As reports call it: "CLIPScore". */
  readonly name: string;
  /** Which files it rests on, for reports; may be empty. */
  readonly weights: string;
  /** Writes what is new to the cache. */
  save(): Promise<void>;
  /** Frees the network. */
  release(): Promise<void>;
}

export interface Verdict {
  readonly correct: boolean;
  /** What is wrong, or that nothing is. */
  readonly reason: string;
  /** Of the question that the prompt asks. */
  readonly category: string;
}

/** Whether an image shows what its prompt asks for. */
export interface VerdictMetric extends MetricBase {
  readonly kind: "verdict";
  /** One for each image; null where nothing is asked that can be verified. */
  verdicts(images: readonly EvaluatedImage[], hooks: RunHooks): Promise<(Verdict | null)[]>;
}

/** How well an image fits its prompt; higher is better. */
export interface PromptMetric extends MetricBase {
  readonly kind: "prompt";
  scores(images: readonly EvaluatedImage[], hooks: RunHooks): Promise<number[]>;
}

/** How far apart two images are. */
export interface PairMetric extends MetricBase {
  readonly kind: "pair";
  distances(pairs: readonly (readonly [EvaluatedImage, EvaluatedImage])[], hooks: RunHooks): Promise<number[]>;
}

/** Features of images, whose distribution is compared with that of other images. */
export interface SetMetric extends MetricBase {
  readonly kind: "set";
  features(images: readonly EvaluatedImage[], hooks: RunHooks): Promise<Float32Array[]>;
}

export type OpenedMetric = VerdictMetric | PromptMetric | PairMetric | SetMetric;

/** One of the files (or folders) that a metric needs. */
export interface WantedFile {
  /** Picks it out of the paths of all files below the weights folder. */
  readonly find: (paths: readonly string[]) => string | undefined;
  /** What it is and where to get it. */
  readonly what: string;
}

export interface MetricSources<Role extends string> {
  readonly files: Readonly<Record<Role, string>>;
  readonly engine: Engine;
  /** Features that were computed with these weights. */
  cacheOf(...weights: readonly string[]): Promise<FeatureCache>;
}

/** A metric as `registry.ts` lists it. */
export interface MetricDefinition<Name extends string = string, Role extends string = string> {
  /** As users select it and reports call it. */
  readonly name: Name;
  /** By role. */
  readonly files: Readonly<Record<Role, WantedFile>>;
  /** Checks names and shapes of the weights at most; an InputError says why it cannot run. */
  open(sources: MetricSources<Role>): Promise<OpenedMetric>;
}

/** Gives a definition's roles to its `open`. */
export function defineMetric<const Name extends string, Role extends string>(
  definition: MetricDefinition<Name, Role>,
): MetricDefinition<Name, Role> {
  return definition;
}
