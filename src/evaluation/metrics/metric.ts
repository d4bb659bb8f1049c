/** @file What a metric is: a number of a picture with its prompt, of two pictures, or of two sets of pictures. */

import type { RunHooks } from "./run-graph.js";

/** A picture to be judged. */
export interface Judged {
  readonly file: string;
  /** Of the file's content: `hashFile`. */
  readonly hash: string;
  readonly prompt: string;
}

interface Opened {
  /** As reports call it: "CLIPScore". */
  readonly name: string;
  /** Which files it rests on, for reports. */
  readonly weights: string;
  /** Writes what is new to the cache. */
  save(): Promise<void>;
  /** Frees the network. */
  release(): Promise<void>;
}

/** How well a picture fits its prompt; higher is better. */
export interface PromptMetric extends Opened {
  readonly kind: "prompt";
  scores(pictures: readonly Judged[], hooks: RunHooks): Promise<number[]>;
}

/** How far apart two pictures are. */
export interface PairMetric extends Opened {
  readonly kind: "pair";
  distances(pairs: readonly (readonly [Judged, Judged])[], hooks: RunHooks): Promise<number[]>;
}

/** Features of pictures, whose distribution is compared with that of other pictures. */
export interface SetMetric extends Opened {
  readonly kind: "set";
  features(pictures: readonly Judged[], hooks: RunHooks): Promise<Float32Array[]>;
}

export type OpenedMetric = PromptMetric | PairMetric | SetMetric;
