/**
 * @file HTML character references: the 252 names of HTML 4, `&apos;` and numbers.
 *
 * HTML 5 has some 1900 further names, nearly all of them of mathematical signs; they stay as they stand.
 */

/** Names of neighbouring characters, from the first one's code point on; "-" has no name. */
const runs: readonly (readonly [first: number, names: string])[] = [
  [0x22, "quot"],
  [0x26, "amp apos"],
  [0x3c, "lt - gt"],
  [0xa0, "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr"],
  [0xb0, "deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest"],
  [0xc0, "Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml"],
  [0xd0, "ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig"],
  [0xe0, "agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml"],
  [0xf0, "eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml"],
  [0x152, "OElig oelig"],
  [0x160, "Scaron scaron"],
  [0x178, "Yuml"],
  [0x192, "fnof"],
  [0x2c6, "circ"],
  [0x2dc, "tilde"],
  [0x391, "Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho -"],
  [0x3a3, "Sigma Tau Upsilon Phi Chi Psi Omega"],
  [0x3b1, "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf"],
  [0x3c3, "sigma tau upsilon phi chi psi omega"],
  [0x3d1, "thetasym upsih"],
  [0x3d6, "piv"],
  [0x2002, "ensp emsp"],
  [0x2009, "thinsp - - zwnj zwj lrm rlm"],
  [0x2013, "ndash mdash"],
  [0x2018, "lsquo rsquo sbquo - ldquo rdquo bdquo - dagger Dagger bull"],
  [0x2026, "hellip"],
  [0x2030, "permil - prime Prime"],
  [0x2039, "lsaquo rsaquo"],
  [0x203e, "oline"],
  [0x2044, "frasl"],
  [0x20ac, "euro"],
  [0x2111, "image"],
  [0x2118, "weierp"],
  [0x211c, "real"],
  [0x2122, "trade"],
  [0x2135, "alefsym"],
  [0x2190, "larr uarr rarr darr harr"],
  [0x21b5, "crarr"],
  [0x21d0, "lArr uArr rArr dArr hArr"],
  [0x2200, "forall - part exist - empty - nabla isin notin - ni"],
  [0x220f, "prod - sum minus"],
  [0x2217, "lowast - - radic - - prop infin - ang"],
  [0x2227, "and or cap cup int"],
  [0x2234, "there4"],
  [0x223c, "sim"],
  [0x2245, "cong - - asymp"],
  [0x2260, "ne equiv - - le ge"],
  [0x2282, "sub sup nsub - sube supe"],
  [0x2295, "oplus - otimes"],
  [0x22a5, "perp"],
  [0x22c5, "sdot"],
  [0x2308, "lceil rceil lfloor rfloor"],
  [0x25ca, "loz"],
  [0x2660, "spades - - clubs - hearts diams"],
  [0x27e8, "lang rang"],
];

/** ftfy takes a ";" in the result for the sign of a reference decoded by half, and leaves "&#59;" as it stands. */
const semicolon = 0x3b;

const named: ReadonlyMap<string, string> = new Map(
  runs.flatMap(([first, names]) =>
    names.split(" ").flatMap((name, index): [string, string][] => {
      const character = String.fromCodePoint(first + index);
      // Names in capitals count as well (&EACUTE;), except for HTML's own ones of that form, which mean the same.
      return name === name.toLowerCase()
        ? [
            [name, character],
            [name.toUpperCase(), character.toUpperCase()],
          ]
        : [[name, character]];
    }),
  ),
);

/** `text` with its character references replaced; those without ";" and unknown names stay. */
export function unescapeHtml(text: string): string {
  return text.replace(/&([0-9A-Za-z]{1,24}|#[0-9]{1,24}|#[xX][0-9A-Fa-f]{1,23});/g, (whole, name: string) => {
    if (!name.startsWith("#")) return named.get(name) ?? whole;
    const code = /^#[xX]/.test(name) ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
    return code === semicolon ? whole : numbered(code);
  });
}

/** The character of a number by the rules of HTML: what cannot be a character is U+FFFD or nothing. */
function numbered(code: number): string {
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  const character = String.fromCodePoint(code);
  // Numbers of C1 controls mean windows-1252; that is put right where such controls in the text are.
  return /(?![\t\n\f\r\u0080-\u009f])\p{Cc}|\p{Noncharacter_Code_Point}/u.test(character) ? "" : character;
}
