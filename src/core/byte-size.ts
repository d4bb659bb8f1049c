/** @file Parses and formats sizes in bytes: `8GB`, `6000MB`. */

const units: Readonly<Record<string, number>> = {
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** Bytes of a number with its unit, such as `8GB` or `1.5 GiB`; undefined for anything else. */
export function parseByteSize(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?) ?([kmgt]i?b)$/i.exec(text);
  if (found === null) return undefined;
  const [, digits, unit = ""] = found;
  const bytes = Math.round(Number(digits) * (units[unit.toUpperCase()] ?? 0));
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `2.1 GB`, `640 MB`, `3 KB`. */
export function formatByteSize(bytes: number): string {
  if (bytes < 999.5e3) return `${Math.ceil(bytes / 1e3)} KB`;
  if (bytes < 999.5e6) return `${(bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0)} MB`;
  return bytes < 999.5e9 ? `${(bytes / 1e9).toFixed(bytes < 100e9 ? 1 : 0)} GB` : `${(bytes / 1e12).toFixed(1)} TB`;
}
