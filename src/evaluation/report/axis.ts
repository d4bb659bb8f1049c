/** @file Axes: what they span, where their ticks are, where a value lies on them. */

export interface Domain {
  readonly low: number;
  readonly high: number;
}

/** The span of all values, made a little larger so that its ends are round; never empty. */
export function domainOf(values: readonly number[]): Domain {
  const { low, high } = exactDomainOf(values);
  const step = tickStep(high - low, 8);
  return { low: Math.floor(low / step) * step, high: Math.ceil(high / step) * step };
}

/** Axes end here, so that the length of one is a number. */
const farthest = 1e300;

/** The span of all values as it is; never empty, nor so short for where it lies that its ticks would be rounded away. */
export function exactDomainOf(values: readonly number[]): Domain {
  const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!(least <= most)) return { low: 0, high: 1 };
  const [low, high] = [Math.max(-farthest, least), Math.min(farthest, most)];
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (high - low > 1e-9 * size && size > 1e-100) return { low, high };
  const room = size > 1e-100 ? size / 2 : 0.5;
  return { low: low - room, high: high + room };
}

/** About `count` round numbers inside the domain, which must be one that the functions above give or as sound. */
export function axisTicks({ low, high }: Domain, count: number): number[] {
  const step = tickStep(high - low, count);
  const first = Math.ceil(low / step - 1e-6);
  const last = Math.floor(high / step + 1e-6);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Far outside of every drawing, but a number. */
const plane: Domain = { low: -1000, high: 1000 };

/** Where `value` lies between the two ends of an axis, or beyond them. */
export function place(value: number, { low, high }: Domain, from: number, to: number): number {
  return from + within((value - low) / (high - low), plane) * (to - from);
}

export function within(value: number, { low, high }: Domain): number {
  return Math.min(high, Math.max(low, value));
}

/** "500", "20k", "0.25", "1e-5". */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  if (size >= 10000 && value % 100 === 0 && size < 1e6) return `${value / 1000}k`.replace("-", "\u2212");
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential() : String(value);
  return text.replace("e+", "e").replaceAll("-", "\u2212");
}

/** 1, 2 or 5 times a power of ten, at most a third shorter than asked, so that even the longest leaves two ticks of four. */
function tickStep(span: number, count: number): number {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough * 0.7) ?? 10;
  return factor * power;
}
