/** @file HTML character references, decoded as ftfy 6.3 does: HTML 5's names, names in capitals, and numbers. */

import { decodeHTML, decodeHTMLStrict } from "entities/decode";

/** `text` with its character references replaced; those without ";" and unknown names stay. */
export function unescapeHtml(text: string): string {
  return text.replace(/&#?[0-9A-Za-z]{1,24};/g, (whole) => (whole.startsWith("&#") ? numeric(whole) : named(whole)));
}

/** ftfy takes a ";" in the result for the sign of a reference decoded by half, and leaves "&#59;" as it stands. */
function numeric(whole: string): string {
  const decoded = decodeHTMLStrict(whole);
  if (decoded.includes(";")) return whole;
  // Python gives nothing for what cannot be a character; C1 controls without a meaning in windows-1252 stay.
  return decoded.replace(/(?![\t\n\f\r\u0080-\u009f])\p{Cc}|\p{Noncharacter_Code_Point}/u, "");
}

/** Names in capitals count as well (&EACUTE;), unless they begin as one that HTML reads without ";" (&COPYSR;). */
function named(whole: string): string {
  if (decodeHTML(whole) !== whole || whole !== whole.toUpperCase()) return decodeHTMLStrict(whole);
  const lower = whole.toLowerCase();
  const decoded = decodeHTMLStrict(lower);
  return decoded === lower ? whole : decoded.toUpperCase();
}
