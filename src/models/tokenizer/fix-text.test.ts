import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { fixText } from "./fix-text.js";

/** Results of ftfy 6.3.1. */
const cases: Record<string, readonly (readonly [text: string, fixed: string])[]> = {
  "named references": [
    ["&amp; &lt; &gt; &quot; &apos; a&nbsp;b", "& < > \" ' a\u00a0b"],
    ["P&eacute;rez P&EACUTE;REZ &SZLIG; &Eta;&eta; &zwj;", "Pérez PÉREZ SS Ηη \u200d"],
    ["&Dagger; &dagger; &hearts; &hellip; &rang;", "‡ † ♥ … ⟩"],
    ["&checkmark; &Jscr; &NotEqualTilde; &semi; &fjlig;", "✓ 𝒥 ≂̸ ; fj"],
    ["&NOTIN; &COPYSR; &REGX;", "∉ &COPYSR; &REGX;"],
    ["R&D &amp &; &nope; &Amp;", "R&D &amp &; &nope; &Amp;"],
    ["&amp;amp; &amp;lt;b&amp;gt;", "& <b>"],
  ],
  "numeric references": [
    ["&#39; &#x27; &#X27; &#00039; &#x1F600; &#x2019;", "' ' ' ' 😀 '"],
    ["&#128; &#x99; &#133;", "€ ™ …"],
    ["&#0; &#xD800; &#x110000; &#99999999;", "\ufffd \ufffd \ufffd \ufffd"],
    ["[&#1;&#x7f;&#xFFFE;&#x1b;[0m]", "[[0m]"],
    ["&#39 &#; &#x; &#59; &#39a;", "&#39 &#; &#x; &#59; &#39a;"],
  ],
  "references next to a tag": [
    ["< &amp;", "< &amp;"],
    ["&lt; &amp;", "< &"],
    ["&amp;\n< &amp;\n&amp;", "&\n< &amp;\n&amp;"],
  ],
  "C1 controls": [["\u0080\u0091\u0092\u0093\u0094\u0085\u0081", "€''\"\"…\u0081"]],
  ligatures: [["ﬀ ﬁ ﬂ ﬃ ﬄ ﬅ ﬆ Ĳ ĳ ŉ ǅ ǌ Ǳ", "ff fi fl ffi ffl ſt st IJ ij 'n Dž nj DZ"]],
  width: [["ＬＯＵＤ　ﾊﾞ！￥￦", "LOUD バ!¥₩"]],
  quotes: [["‘’‚‛ʼ “”„‟ «»‹›′", "''''' \"\"\"\" «»‹›′"]],
  "line breaks": [["a\r\nb\rc\u2028d\u2029e\r\n", "a\nb\nc\nd\ne\n"]],
  "lone surrogates": [["\ud800a\udc00 😀", "\ufffda\ufffd 😀"]],
  "terminal escapes": [["\u001b[36;44mblue\u001b[0m \u001b[K\u001b[1~", "blue [1~"]],
  "control characters": [["a\u0000\u0007\u007f\u206a\ufeff\ufffcb\t\f\u200b\u200d\u200e", "ab\t\f\u200b\u200d\u200e"]],
  composition: [["cafe\u0301 \u212b", "café Å"]],
  "unchanged text": [
    ["½ ² ① ™ Ⅷ … – ﷺ ㎏", "½ ² ① ™ Ⅷ … – ﷺ ㎏"],
    ["cafÃ©", "cafÃ©"],
  ],
};

describe("fixText", () => {
  for (const [what, pairs] of Object.entries(cases)) {
    it(what, () => {
      for (const [text, fixed] of pairs) assert.equal(fixText(text), fixed);
    });
  }

  it("is idempotent, and does not change plain text", () => {
    const part = fc.constantFrom(
      "&",
      "amp;",
      "#39;",
      "#x",
      "<",
      "\n",
      "ﬁ",
      "Ａ",
      "“",
      "\u0301",
      "\u001b[",
      "\ud800",
      "0m",
      ";",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string({ unit: "binary", maxLength: 3 })), { maxLength: 12 }), (parts) => {
        const fixed = fixText(parts.join(""));
        assert.doesNotMatch(fixed, /\p{Surrogate}/u);
        // A decoded "<" keeps a second pass from decoding, which is correct.
        if (!fixed.includes("<")) assert.equal(fixText(fixed), fixed);
      }),
    );
    const plain = fc.stringMatching(/^[ -%'-~]*$/);
    fc.assert(fc.property(plain, (text) => assert.equal(fixText(text), text)));
  });

  it("terminates early on deeply nested references", () => {
    const nested = `&${"amp;".repeat(20_000)}`;
    assert.ok(fixText(nested).length < nested.length);
  });
});
