/**
 * @file Repairs that CLIP's prompts get before they are tokenised.
 *
 * transformers' CLIPTokenizer, which diffusers pipelines name, passes prompts through the Python package ftfy if that is
 * installed, as it is where pipelines are used in earnest. Done here is what ftfy 6.3 does to text in the right encoding.
 * Not done: its repair of mojibake ("cafÃ©" for "café"), text that was once decoded with the wrong encoding.
 */

import { unescapeHtml } from "./html-entities.js";

/** Repairs can uncover each other ("&amp;lt;"); the bound keeps endless nesting from taking time without end. */
const maxRounds = 32;

const escapeKey = "\u001b";
const terminalEscapes = new RegExp(String.raw`${escapeKey}\[[\p{Nd};]*[A-Za-z]`, "gu");
/** What windows-1252 has at 0x80 to 0x9f; where it has nothing, the control stays. */
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";
const controls = /(?![\t\n\f\r\u0080-\u009f])\p{Cc}|[\u206a-\u206f\ufeff\ufff9-\ufffc]/gu;

/**
 * `text` with HTML character references decoded (up to the first line with a "<", which may be HTML on purpose), C1
 * controls read as windows-1252, ligatures and full- or half-width forms taken apart, quotes straightened, line breaks made
 * "\n", lone surrogates made U+FFFD, terminal escapes and control characters removed, and composed (NFC).
 * Mojibake is not repaired. Never throws.
 */
export function fixText(text: string): string {
  let html = false;
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      html ||= line.includes("<");
      return fixLine(line, !html);
    })
    .join("");
}

function fixLine(line: string, isPlain: boolean): string {
  let fixed = line;
  for (let round = 0; round < maxRounds; round++) {
    const before = fixed;
    fixed = fixCharacters(isPlain ? unescapeHtml(before) : before);
    if (fixed === before) break;
  }
  return fixed;
}

function fixCharacters(text: string): string {
  return (
    text
      .replace(/[\u0080-\u009f]/g, (control) => windows1252.charAt(control.charCodeAt(0) - 0x80))
      // One step of taking apart: U+FB05 is a long s and a t, which NFKC would make a common s.
      .replace(/\ufb05/g, "\u017ft")
      .replace(/[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/g, compatible)
      .replace(/[\u3000\uff01-\uffee]/g, compatible)
      .replace(/[\u02bc\u2018-\u201b]/g, "'")
      .replace(/[\u201c-\u201f]/g, '"')
      .replace(/\r\n|[\r\u2028\u2029]/g, "\n")
      .replace(/\p{Surrogate}/gu, "\ufffd")
      .replace(terminalEscapes, "")
      .replace(controls, "")
      .normalize("NFC")
  );
}

function compatible(character: string): string {
  return character.normalize("NFKC");
}
