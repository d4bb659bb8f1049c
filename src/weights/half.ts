/** @file Converts float16 and bfloat16 bit patterns to float32 and back; rounds to nearest even and keeps NaN payloads. */

/** The float32 bit pattern of every float16 bit pattern; 256 KB, built on first use. */
let float16Table: Uint32Array | undefined;

function buildFloat16Table(): Uint32Array {
  const table = new Uint32Array(65536);
  const scratch = new Float32Array(1);
  const scratchBits = new Uint32Array(scratch.buffer);
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      // Zero or subnormal: fraction * 2^-24 is exact in float32.
      scratch[0] = fraction * 2 ** -24;
      table[half] = sign | (scratchBits[0] ?? 0);
    } else if (exponent === 0x1f) {
      table[half] = sign | 0x7f800000 | (fraction << 13);
    } else {
      table[half] = sign | ((exponent + 112) << 23) | (fraction << 13);
    }
  }
  return table;
}

/** Widens exactly: every float16 is a float32. */
export function float16ToFloat32(halves: Uint16Array): Float32Array {
  float16Table ??= buildFloat16Table();
  const table = float16Table;
  // Written as bits, since assigning a float could change the payload of a NaN.
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i] as number] as number;
  return new Float32Array(bits.buffer);
}

/** Widens exactly: a bfloat16 is the upper half of a float32. */
export function bfloat16ToFloat32(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
  return new Float32Array(bits.buffer);
}

/** Rounds to nearest, ties to even; values beyond 65519.99 become infinite, those below 2^-25 zero. */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = roundToFloat16(bits[i] as number);
  return halves;
}

/** Rounds to nearest, ties to even. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = roundToBfloat16(bits[i] as number);
  return halves;
}

function roundToFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    // NaN: keep the upper payload bits; if they are all zero, set the quiet bit so that it stays a NaN.
    return sign | 0x7c00 | ((magnitude >>> 13) & 0x3ff || 0x200);
  }
  // 65520 is halfway between the largest float16 and 2^16: the tie goes to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  const exponent = magnitude >>> 23;
  if (exponent >= 113) {
    // Normal: rebias the exponent by 127 - 15 and drop 13 bits; a carry out of the fraction correctly increments the exponent.
    return sign | roundShift(magnitude - (112 << 23), 13);
  }
  // Subnormal: the 24-bit significand counts units of 2^(exponent - 150), the result units of 2^-24.
  if (exponent < 102) return sign;
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
}

function roundToBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) & 0x7f ? bits >>> 16 : (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** `value / 2^shift`, rounded to nearest, ties to even; `value` below 2^31. */
function roundShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
