/** @file `SoftTokens` of the library: reading and writing token files. */

import { basename } from "node:path";
import type { FormatName } from "../softtokens/formats/index.js";
import { formatNames, readSoftTokens, writeSoftTokens } from "../softtokens/formats/index.js";
import type { SoftTokens as Tokens } from "../softtokens/softtokens.js";

/** Learned soft tokens. Values are plain data: tensors and metadata. */
export interface SoftTokens extends Tokens {
  /** The name of the file that they were read from; images record it. */
  readonly file?: string;
}

export const SoftTokens = {
  /**
   * Reads a token file: softrepa's safetensors, the authors' `.pth` files, or ComfyUI's format.
   *
   * @throws InputError if the file is missing, damaged or not a token file
   */
  async read(file: string): Promise<SoftTokens> {
    return { ...(await readSoftTokens(file)), file: basename(file) };
  },

  /** Writes a token file (default format: softrepa's own). */
  async write(file: string, tokens: SoftTokens, format: FormatName = "softrepa"): Promise<void> {
    await writeSoftTokens(file, tokens, format);
  },

  /** Formats that can be written. */
  formats: formatNames,
} as const;
