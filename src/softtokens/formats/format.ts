/** @file What a file format of soft tokens has to offer. */

import type { WeightSource } from "../../weights/source.js";
import type { SoftTokens } from "../softtokens.js";

/** What a path turned out to be, as far as a glance tells. */
export type ProbedFile =
  | { readonly kind: "folder"; readonly path: string; readonly names: readonly string[] }
  | { readonly kind: "safetensors"; readonly path: string; readonly source: WeightSource }
  | { readonly kind: "torch"; readonly path: string };

export interface TokenFormat {
  /** One line for people. */
  readonly title: string;
  /** Whether metadata survives. */
  readonly keepsMetadata: boolean;
  detect(glance: ProbedFile): boolean;
  /** Called on what `detect` accepted. */
  read(glance: ProbedFile): Promise<SoftTokens>;
  /** Returns the files written. */
  write(path: string, tokens: SoftTokens): Promise<readonly string[]>;
}
