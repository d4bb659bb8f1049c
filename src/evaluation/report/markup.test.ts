import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseStrictly } from "../../testing/report/strict-html.js";
import { escapeHtml, html } from "./markup.js";

describe("templates", () => {
  it("escape text and numbers, join lists, leave out nothing and false", () => {
    const items = ["<a>", "b & c"].map((text) => html`<i title="${text}">${text}</i>`);
    assert.equal(
      html`<p>${items}${null}${false}${0}</p>`.text,
      '<p><i title="&lt;a&gt;">&lt;a&gt;</i><i title="b &amp; c">b &amp; c</i>0</p>',
    );
  });

  it("give every text back through a parser, in an element and in an attribute", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const [element] = parseStrictly(html`<p title="${text}">${text}</p>`.text);
        assert.equal(element?.text, element?.attributes.get("title"));
        // Only what HTML cannot hold is replaced.
        const kept = text.replace(/(?![\t\n\r])[\p{Cc}\p{Cs}\ufffe\uffff]/gu, "\ufffd");
        assert.equal(element?.text, kept);
      }),
    );
    assert.equal(escapeHtml("tab\tline\n\0\ud800"), "tab\tline\n\ufffd\ufffd");
  });
});

describe("the strict parser", () => {
  it("refuses what is not well-formed", () => {
    for (const broken of [
      "<p>",
      "</p>",
      "<p></i>",
      "<p>a<b</p>",
      "a>b",
      "a & b",
      "&nope;",
      '<p a="1" a="2"></p>',
      "\0",
    ]) {
      assert.throws(() => parseStrictly(broken), broken);
    }
  });
});
