/** @file Text in terminal columns, where a character may take two cells or none. */

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const wideCharacter =
  /^[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]|\ufe0f/u;

/** Cells that `text` takes. */
export function displayWidth(text: string): number {
  // Fast path: printable ASCII takes one cell per character.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += cells(segment);
  return width;
}

/** Cells of the widest text. */
export function widest(texts: readonly string[]): number {
  return texts.reduce((width, text) => Math.max(width, displayWidth(text)), 0);
}

/** `text` on one line, truncated with `...` beyond `width` cells. */
export function shorten(text: string, width: number): string {
  return truncate(printable(text), width);
}

/** Truncates a line with `...` beyond `width` cells, keeping its spaces. */
export function truncate(line: string, width: number): string {
  if (displayWidth(line) <= width) return line;
  const dots = ".".repeat(Math.min(3, width));
  let kept = "";
  let used = dots.length;
  for (const { segment } of graphemes.segment(line)) {
    used += cells(segment);
    if (used > width) break;
    kept += segment;
  }
  return kept.trimEnd() + dots;
}

/** Control characters and direction overrides: a terminal that receives them may hide, move or reorder what it shows. */
const unsafe = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** `text` on one line: white space becomes single spaces, other control characters become visible. */
export function printable(text: string): string {
  return visible(text.replace(/\s+/gu, " ").trim());
}

/** Text for a terminal: control characters and direction overrides are shown as `\x1b` or `\u202e`; line feeds and tabs stay. */
export function visible(text: string): string {
  return text.replace(unsafe, (character) => (/[\n\t]/.test(character) ? character : escaped(character)));
}

/** JSON text with the same characters escaped, which JSON.stringify leaves as they are beyond U+001F; its line feeds stay. */
export function visibleJson(json: string): string {
  return json.replace(unsafe, (character) => (character === "\n" ? character : `\\u${hexOf(character, 4)}`));
}

function escaped(character: string): string {
  return character <= "\xff" ? `\\x${hexOf(character, 2)}` : `\\u${hexOf(character, 4)}`;
}

function hexOf(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, "0");
}

/** Padded with spaces on the right to `width` cells. */
export function padRight(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

/** Padded with spaces on the left to `width` cells. */
export function padLeft(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - displayWidth(text))) + text;
}

function cells(grapheme: string): number {
  if (wideCharacter.test(grapheme)) return 2;
  return /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u.test(grapheme) ? 0 : 1;
}
