/** @file Snappy's raw format (google/snappy, format_description.txt): literals, and copies of what came before. */

import { InputError } from "../../core/errors.js";

/** Decompresses to exactly `length` bytes; `where` names the data in messages. */
export function unsnap(input: Uint8Array, length: number, where: string): Uint8Array {
  const damaged = (what: string) => new InputError(`${where}: the snappy data are damaged (${what})`);
  let position = 0;
  const littleEndian = (bytes: number): number => {
    if (position + bytes > input.length) throw damaged("they break off");
    let value = 0;
    for (let i = 0; i < bytes; i++) value += input[position++] * 2 ** (8 * i);
    return value;
  };

  let declared = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = littleEndian(1);
    declared += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
    if (shift >= 28) throw damaged("the length does not end");
  }
  if (declared !== length) throw damaged(`${declared} bytes where the page says ${length}`);
  // A copy of 64 bytes takes three: more than that cannot come out, so nothing is set aside for it.
  if (length > 22 * input.length) throw damaged(`${length} bytes out of ${input.length}`);

  const output = new Uint8Array(length);
  let done = 0;
  while (position < input.length) {
    const tag = input[position++];
    const kind = tag & 3;
    if (kind === 0) {
      const short = (tag >> 2) + 1;
      const size = short <= 60 ? short : littleEndian(short - 60) + 1;
      if (position + size > input.length || done + size > length) throw damaged("a literal is too long");
      output.set(input.subarray(position, position + size), done);
      position += size;
      done += size;
      continue;
    }
    const size = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const distance = kind === 1 ? ((tag >> 5) << 8) + littleEndian(1) : littleEndian(kind === 2 ? 2 : 4);
    if (distance === 0 || distance > done) throw damaged("a copy reaches before the start");
    if (done + size > length) throw damaged("a copy is too long");
    // Byte by byte: a copy may overlap what it makes.
    for (let i = 0; i < size; i++, done++) output[done] = output[done - distance];
  }
  if (done !== length) throw damaged(`they end after ${done} of ${length} bytes`);
  return output;
}
