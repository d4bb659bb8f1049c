/** @file JSON as Python's json module writes and reads it. */

/**
 * Parses JSON. Python also writes NaN, Infinity and -Infinity, which become null here, since JSON has no such numbers. Throws a
 * SyntaxError.
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    const strings = /"[^"\\]*(?:\\.[^"\\]*)*"?|-?\bInfinity\b|-?\bNaN\b/gs;
    return JSON.parse(text.replace(strings, (token) => (token.startsWith('"') ? token : "null")));
  }
}
