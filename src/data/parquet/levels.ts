/** @file Parquet's run-length and bit-packed hybrid (Encodings.md, RLE = 3): levels and dictionary indices. */

import { InputError } from "../../core/errors.js";

/** `count` numbers of `width` bits (at most 32) from the start of `bytes`. */
export function readHybrid(bytes: Uint8Array, width: number, count: number, where: string): Uint32Array {
  const damaged = (what: string) => new InputError(`${where}: a page is damaged (${what})`);
  if (width > 32) throw damaged(`numbers of ${width} bits`);
  const values = new Uint32Array(count);
  let position = 0;
  const next = (): number => {
    if (position >= bytes.length) throw damaged("its levels or indices break off");
    return bytes[position++];
  };
  for (let done = 0; done < count; ) {
    let header = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = next();
      header += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
      if (shift >= 28) throw damaged("a run that does not end");
    }
    if (header % 2 === 0) {
      let value = 0;
      for (let i = 0; i < Math.ceil(width / 8); i++) value += next() * 2 ** (8 * i);
      const end = Math.min(count, done + header / 2);
      if (end === done) throw damaged("a run of nothing");
      values.fill(value, done, end);
      done = end;
      continue;
    }
    // Groups of eight, least significant bit first. The last group may be cut off behind the last value.
    const total = Math.min(count - done, ((header - 1) / 2) * 8);
    if (total === 0) throw damaged("a run of nothing");
    for (let index = 0, bit = position * 8; index < total; index++, bit += width) {
      values[done++] = readBits(bytes, bit, width, damaged);
    }
    position += ((header - 1) / 2) * width;
  }
  return values;
}

function readBits(bytes: Uint8Array, start: number, width: number, damaged: (what: string) => InputError): number {
  if (Math.ceil((start + width) / 8) > bytes.length) throw damaged("its levels or indices break off");
  let value = 0;
  for (let got = 0; got < width; ) {
    const bit = (start + got) % 8;
    const take = Math.min(8 - bit, width - got);
    value += ((bytes[Math.floor((start + got) / 8)] >> bit) & (2 ** take - 1)) * 2 ** got;
    got += take;
  }
  return value;
}

/** Bits of the numbers 0..largest. */
export function bitsFor(largest: number): number {
  return 32 - Math.clz32(largest);
}
