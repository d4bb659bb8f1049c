/** @file Formats numbers, rates and durations. */

/** A number with `digits` significant digits: `0.1234`, `1.2e-5`; integers below a million in full. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  // Number() drops the trailing zeros of toPrecision.
  const rounded = Number(value.toPrecision(digits));
  const size = Math.abs(rounded);
  return size >= 1e-3 && size < 1e6 ? String(rounded) : rounded.toExponential().replace("e+", "e");
}

/** A fraction in percent: `45%`, or `0.9%` below ten percent. */
export function formatPercent(fraction: number): string {
  if (!Number.isFinite(fraction)) return String(fraction);
  const percent = fraction * 100;
  return `${percent < 10 && percent !== 0 ? percent.toFixed(1) : Math.floor(percent)}%`;
}

/** Steps per second, or seconds per step for slow steps: `3.2 it/s`, `4.1 s/it`. */
export function formatRate(perSecond: number): string {
  return perSecond >= 1 ? `${formatNumber(perSecond, 2)} it/s` : `${formatNumber(1 / perSecond, 2)} s/it`;
}

/** A time span in its two largest units: `0.4 s`, `42 s`, `3 min 05 s`, `2 h 07 min`, `3 d 4 h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(whole % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${twoDigits(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
