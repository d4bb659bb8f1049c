/** @file The interface of token file formats. */

import type { WeightSource } from "../../weights/source.js";
import type { SoftTokens } from "../softtokens.js";

/** The result of probing a path, from which formats are detected. */
export type ProbedFile =
  | { readonly kind: "folder"; readonly path: string; readonly names: readonly string[] }
  | { readonly kind: "safetensors"; readonly path: string; readonly source: WeightSource }
  | { readonly kind: "torch"; readonly path: string };

export interface TokenFormat {
  /** Human-readable name. */
  readonly title: string;
  /** Whether the format stores metadata. */
  readonly keepsMetadata: boolean;
  detect(file: ProbedFile): boolean;
  /** Reads a file that `detect` accepts. */
  read(file: ProbedFile): Promise<SoftTokens>;
  /** Returns the files written. */
  write(path: string, tokens: SoftTokens): Promise<readonly string[]>;
}
