/**
 * @file Seeded random numbers, equal to those of PyTorch's CPU generator with the same seed.
 *
 * The engine is mt19937 (Matsumoto and Nishimura, 1998). Integers and uniforms equal PyTorch's bit for bit. Normals follow
 * the same algorithm (`torch.randn`, float32, CPU), so they agree up to the rounding of log, cos and sin (within 2e-6): a
 * seed gives the same initial noise as diffusers with a CPU generator. They agree exactly between machines with the same
 * version of Node, because V8 implements these functions itself and does not use the processor or the C library.
 */

import { z } from "zod";
import { InputError, UsageError } from "./errors.js";
import { type FloatTensor, floatTensor, type Shape } from "./tensor.js";

const stateWords = 624;
const shiftWords = 397;
const twoPi = Math.fround(2 * Math.PI);

/** The state of a generator as JSON, so that a resumed run draws the same numbers. */
export const generatorStateSchema = z.strictObject({
  engine: z.literal("mt19937"),
  /** The 624 words, little-endian, as base64. */
  words: z.string(),
  /** Number of words used. */
  used: z.int().min(0).max(stateWords),
  /** The unused second normal of the last pair. */
  spareNormal: z.number().nullable(),
});
export type GeneratorState = z.infer<typeof generatorStateSchema>;

export class Generator {
  readonly #words = new Uint32Array(stateWords);
  #used = stateWords;
  #spareNormal: number | null = null;

  /** `seed` is a non-negative integer, of which the low 32 bits are used, as in PyTorch. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new UsageError(`a seed must be an integer from 0 to ${Number.MAX_SAFE_INTEGER}, not ${seed}`);
    }
    const words = this.#words;
    words[0] = seed % 2 ** 32;
    for (let i = 1; i < stateWords; i++) {
      const previous = words[i - 1] ?? 0;
      words[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** Samples of N(0, 1): `torch.randn(shape)`. */
  normal(shape: Shape): FloatTensor {
    const { data } = floatTensor(shape);
    if (data.length < 16) {
      for (let i = 0; i < data.length; i++) data[i] = this.#oneNormal();
      return floatTensor(shape, data);
    }
    for (let i = 0; i < data.length; i++) data[i] = this.uniform();
    for (let start = 0; start + 16 <= data.length; start += 16) boxMuller16(data.subarray(start, start + 16));
    if (data.length % 16 !== 0) {
      // Like PyTorch, samples the last sixteen again, although the loop above has finished some of them.
      const tail = data.subarray(data.length - 16);
      for (let i = 0; i < 16; i++) tail[i] = this.uniform();
      boxMuller16(tail);
    }
    return floatTensor(shape, data);
  }

  /** A sample of [0, 1) with 24 random bits: one element of `torch.rand`. */
  uniform(): number {
    return (this.#bits32() & 0xffffff) / 2 ** 24;
  }

  /** A random integer in [0, limit): one element of `torch.randint(limit, ...)`. */
  integer(limit: number): number {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError(`integer(${limit})`);
    if (limit < 2 ** 28) return this.#bits32() % limit;
    return Number(((BigInt(this.#bits32()) << 32n) | BigInt(this.#bits32())) % BigInt(limit));
  }

  /** The items in a random order, as a new array: indexed by `torch.randperm(items.length)`. */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = items.slice();
    for (let i = 0; i < shuffled.length - 1; i++) {
      const other = i + (this.#bits32() % (shuffled.length - i));
      [shuffled[i], shuffled[other]] = [shuffled[other] as T, shuffled[i] as T];
    }
    return shuffled;
  }

  state(): GeneratorState {
    const words = new DataView(new ArrayBuffer(4 * stateWords));
    this.#words.forEach((word, i) => {
      words.setUint32(4 * i, word, true);
    });
    return {
      engine: "mt19937",
      words: Buffer.from(words.buffer).toString("base64"),
      used: this.#used,
      spareNormal: this.#spareNormal,
    };
  }

  /** Restores a generator from `state()`. @throws InputError if the state is truncated */
  static fromState(state: GeneratorState): Generator {
    const bytes = Buffer.from(state.words, "base64");
    if (bytes.length !== 4 * stateWords) {
      throw new InputError(`a saved random state needs ${4 * stateWords} bytes, got ${bytes.length}`);
    }
    const generator = new Generator(0);
    for (let i = 0; i < stateWords; i++) generator.#words[i] = bytes.readUInt32LE(4 * i);
    generator.#used = state.used;
    generator.#spareNormal = state.spareNormal;
    return generator;
  }

  /** Box-Muller in double precision; yields two numbers and keeps the second for the next call. */
  #oneNormal(): number {
    if (this.#spareNormal !== null) {
      const spare = this.#spareNormal;
      this.#spareNormal = null;
      return spare;
    }
    const angle = 2 * Math.PI * this.#uniform53();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform53()));
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  #uniform53(): number {
    const high = this.#bits32() & 0x1fffff;
    return (high * 2 ** 32 + this.#bits32()) / 2 ** 53;
  }

  #bits32(): number {
    if (this.#used === stateWords) this.#refill();
    let word = this.#words[this.#used++] ?? 0;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    word ^= word >>> 18;
    return word >>> 0;
  }

  #refill(): void {
    const words = this.#words;
    for (let i = 0; i < stateWords; i++) {
      const next = words[(i + 1) % stateWords] ?? 0;
      const mixed = ((words[i] ?? 0) & 0x80000000) | (next & 0x7fffffff);
      words[i] = (words[(i + shiftWords) % stateWords] ?? 0) ^ (mixed >>> 1) ^ (next & 1 ? 0x9908b0df : 0);
    }
    this.#used = 0;
  }
}

/** Converts sixteen uniforms to normals in place: 0..7 are radii, 8..15 angles, rounded to float32 like PyTorch. */
function boxMuller16(block: Float32Array): void {
  for (let i = 0; i < 8; i++) {
    const radius = Math.fround(Math.sqrt(Math.fround(-2 * Math.fround(Math.log(1 - (block[i] ?? 0))))));
    const angle = Math.fround(twoPi * (block[i + 8] ?? 0));
    block[i] = radius * Math.fround(Math.cos(angle));
    block[i + 8] = radius * Math.fround(Math.sin(angle));
  }
}
