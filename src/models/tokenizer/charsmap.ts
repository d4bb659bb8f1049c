/**
 * @file The character table of a sentencepiece model ("Precompiled" in tokenizer.json), applied as the tokenizers crate does.
 *
 * The tokenizer library approximates the table with rules, which differ for joined emoji and control characters. The table maps
 * strings of UTF-8 bytes to replacements, usually their NFKC form. Its layout: uint32 length of a double-array trie (Aoe 1989,
 * as packed by the darts-clone library), the trie's uint32 units, then the replacements, each ended by a zero byte.
 */

import { InputError } from "../../core/errors.js";

/** Longer graphemes are looked up character by character, as in the crate. */
const longestGrapheme = 5;

export class CharsMap {
  readonly #units: Uint32Array;
  readonly #replacements: Buffer;
  readonly #graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });

  /** `base64` is `precompiled_charsmap` of tokenizer.json; `file` is its path, for messages. */
  constructor(base64: string, file: string) {
    const bytes = Buffer.from(base64, "base64");
    const trieBytes = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
    if (trieBytes === 0 || trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length) {
      throw new InputError(`${file}: the precompiled_charsmap of its normalizer is damaged`);
    }
    this.#units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i));
    this.#replacements = bytes.subarray(4 + trieBytes);
  }

  normalize(text: string): string {
    let normalized = "";
    for (const { segment } of this.#graphemes.segment(text)) {
      const whole = Buffer.byteLength(segment) <= longestGrapheme ? this.#lookUp(segment) : null;
      if (whole !== null) normalized += whole;
      else for (const character of segment) normalized += this.#lookUp(character) ?? character;
    }
    return normalized;
  }

  /** Replacement of the shortest prefix of `text` in the table; null if there is none. */
  #lookUp(text: string): string | null {
    let position = offsetOf(this.#units[0] ?? 0);
    for (const byte of Buffer.from(text)) {
      position ^= byte;
      const unit = this.#units[position] ?? 0;
      if (byte === 0 || (unit & 0x800000ff) !== byte) return null;
      position ^= offsetOf(unit);
      if (unit & 0x100) return this.#replacementAt((this.#units[position] ?? 0) & 0x7fffffff);
    }
    return null;
  }

  #replacementAt(start: number): string {
    const end = this.#replacements.indexOf(0, start);
    return this.#replacements.toString("utf8", start, end < 0 ? undefined : end);
  }
}

/** Offset of a unit's children: bits 10 and up, in steps of 256 if bit 9 is set. */
function offsetOf(unit: number): number {
  return (unit >>> 10) << (unit & 0x200 ? 8 : 0);
}
