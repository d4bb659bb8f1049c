/**
 * @file Fixes prompts before CLIP's tokenizer, as ftfy does.
 *
 * transformers' CLIPTokenizer, the tokenizer of diffusers pipelines, passes prompts through the Python package ftfy if it is
 * installed. This file does what ftfy 6.3 does to correctly encoded text. It does not repair mojibake ("cafÃ©" for "café"),
 * text that was decoded with the wrong encoding.
 */

import { unescapeHtml } from "./html-entities.js";

/** Fixes can expose others ("&amp;lt;"); this bounds the time for deep nesting. */
const maxRounds = 32;

const escapeKey = "\u001b";
const terminalEscapes = new RegExp(String.raw`${escapeKey}\[[\p{Nd};]*[A-Za-z]`, "gu");
/** windows-1252 at 0x80 to 0x9f; undefined positions keep the control character. */
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";
const controls = /(?![\t\n\f\r\u0080-\u009f])\p{Cc}|[\u206a-\u206f\ufeff\ufff9-\ufffc]/gu;

/**
 * `text` with HTML character references decoded (up to the first line with a "<", which may be HTML on purpose), C1 controls
 * decoded as windows-1252, ligatures and full- or half-width forms decomposed, quotes straightened, line breaks replaced by
 * "\n", lone surrogates by U+FFFD, terminal escapes and control characters removed, and composed (NFC). Does not repair
 * mojibake. Never throws.
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
      // One step of decomposition: U+FB05 is a long s and a t, which NFKC would turn into a common s.
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
