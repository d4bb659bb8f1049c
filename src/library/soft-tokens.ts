/** @file `SoftTokens`: reads and writes token files. */

import { basename } from "node:path";
import type { FormatName } from "../softtokens/formats/index.js";
import { formatNames, readSoftTokens, writeSoftTokens } from "../softtokens/formats/index.js";
import type { SoftTokens as Tokens } from "../softtokens/softtokens.js";

/** Learned soft tokens: plain data of tensors and metadata. */
export interface SoftTokens extends Tokens {
  /** Name of the token file, which generated images record. */
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

  /** The names of all formats. */
  formats: formatNames,
} as const;
