/** @file HTML that cannot be broken by data: whatever is put into a template is escaped unless it is markup itself. */

/** Finished HTML or SVG. */
export class Markup {
  constructor(readonly text: string) {}
}

/** What a template takes: text and numbers are escaped, lists are joined, null and false are nothing. */
export type Content = Markup | string | number | null | false | readonly Content[];

/** `` html`<p title="${a}">${b}</p>` ``; values may stand in text and inside double quotes, nowhere else. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(parts.reduce((text, part, index) => text + render(values[index - 1]) + part));
}

function render(content: Content | undefined): string {
  if (content === null || content === undefined || content === false) return "";
  if (content instanceof Markup) return content.text;
  if (typeof content === "object") return content.map(render).join("");
  return escapeHtml(String(content));
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for an element or a quoted attribute; what HTML cannot hold (control characters, lone surrogates) becomes U+FFFD. */
export function escapeHtml(text: string): string {
  return text
    .replace(/(?![\t\n\r])[\p{Cc}\p{Cs}\ufffe\uffff]/gu, "\ufffd")
    .replace(/[&<>"']/g, (character) => entities[character]);
}

/** A coordinate with at most two decimals. */
export function coordinate(value: number): string {
  return String(Math.round(value * 100) / 100);
}
