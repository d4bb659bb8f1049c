/** @file Scores as earlier versions wrote them, in which images are called pictures. */

/** The value of such a file under today's names. */
export function withTodaysNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withTodaysNames);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key === "of" && inner === "picture") return [key, "image"];
      return [key === "pictures" ? "images" : key, withTodaysNames(inner)];
    }),
  );
}
