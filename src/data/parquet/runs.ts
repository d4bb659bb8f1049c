/**
 * @file Decodes Parquet's run-length and bit-packed hybrid (Encodings.md, RLE = 3), the encoding of levels and dictionary
 * indices.
 */

import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { InputError } from "../../core/errors.js";

/** Decodes `count` values of `width` bits from the start of `bytes`. */
export function readRuns(bytes: Uint8Array, width: number, count: number, where: string): readonly number[] {
  requireRuns(bytes, width, count, where);
  const values = new Array<number>(count).fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width > 0) readRleBitPackedHybrid({ view, offset: 0 }, width, values, bytes.length);
  return values;
}

/** hyparquet expands each run to its claimed length: without this check, a few damaged bytes could take all memory. */
function requireRuns(bytes: Uint8Array, width: number, count: number, where: string): void {
  const damaged = (what: string) => new InputError(`${where}: a page is damaged (${what})`);
  if (width > 32) throw damaged(`values of ${width} bits`);
  let position = 0;
  for (let left = count; left > 0; ) {
    let header = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[position++];
      if (byte === undefined) throw damaged("its levels or indices are truncated");
      header += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
      if (shift >= 28) throw damaged("a run that does not end");
    }
    // Packed values come in groups of eight, the last of which may extend beyond the last value.
    const packed = header % 2 === 1;
    const length = Math.floor(header / 2) * (packed ? 8 : 1);
    if (length === 0 || length > (packed ? Math.ceil(left / 8) * 8 : left)) {
      throw damaged(`a run of ${length} with ${left} values remaining`);
    }
    position += Math.ceil(((packed ? Math.min(length, left) : 1) * width) / 8);
    if (position > bytes.length) throw damaged("its levels or indices are truncated");
    left -= length;
  }
}

/** Bits of the values 0..largest. */
export function bitsFor(largest: number): number {
  return 32 - Math.clz32(largest);
}
