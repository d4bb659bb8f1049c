/** @file The order of numbered names: `2.png` before `10.png`. */

/**
 * Compares names by their parts: digits as whole numbers, anything else by code unit, so that the order is the same on every
 * machine. Names that differ only in leading zeros are compared by code unit.
 */
export function naturalOrder(a: string, b: string): number {
  const [own, other] = [partsOf(a), partsOf(b)];
  for (let index = 0; index < Math.min(own.length, other.length); index++) {
    const order = compareParts(own[index] ?? "", other[index] ?? "");
    if (order !== 0) return order;
  }
  return own.length - other.length || compareUnits(a, b);
}

function partsOf(name: string): string[] {
  return name.match(/\d+|\D/g) ?? [];
}

function compareParts(a: string, b: string): number {
  if (!/^\d/.test(a) || !/^\d/.test(b)) return compareUnits(a, b);
  const [left, right] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return left.length - right.length || compareUnits(left, right);
}

function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
