/** @file Decodes HTML character references as ftfy 6.3 does: HTML 5's names, names in capitals, and numeric ones. */

import { decodeHTML, decodeHTMLStrict } from "entities/decode";

/** Decodes the character references of `text`; keeps those without ";" and unknown names. */
export function unescapeHtml(text: string): string {
  return text.replace(/&#?[0-9A-Za-z]{1,24};/g, (whole) => (whole.startsWith("&#") ? numeric(whole) : named(whole)));
}

/** ftfy treats a ";" in the result as an incompletely decoded reference, so it keeps "&#59;". */
function numeric(whole: string): string {
  const decoded = decodeHTMLStrict(whole);
  if (decoded.includes(";")) return whole;
  // Python drops invalid characters; C1 controls that windows-1252 does not define are kept.
  return decoded.replace(/(?![\t\n\f\r\u0080-\u009f])\p{Cc}|\p{Noncharacter_Code_Point}/u, "");
}

/** Also accepts names in capitals (&EACUTE;), unless they start with one that HTML accepts without ";" (&COPYSR;). */
function named(whole: string): string {
  if (decodeHTML(whole) !== whole || whole !== whole.toUpperCase()) return decodeHTMLStrict(whole);
  const lower = whole.toLowerCase();
  const decoded = decodeHTMLStrict(lower);
  return decoded === lower ? whole : decoded.toUpperCase();
}
