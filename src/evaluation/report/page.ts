/** @file A page in one file that loads nothing. */

import { createHash } from "node:crypto";
import { html, Markup } from "./markup.js";
import { style } from "./style.js";

export interface Page {
  readonly title: string;
  readonly header: Markup;
  readonly body: Markup;
  /** The only script of the page; null for none. */
  readonly script: string | null;
}

export function renderPage({ title, header, body, script }: Page): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy(script)}">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<header>${header}</header>
<main>
${body}</main>
${script !== null && html`<script>${new Markup(script)}</script>\n`}</body>
</html>
`;
  return page.text;
}

/** Nothing may be loaded, and no other script or style than the page's own may run, whatever the data hold. */
function contentPolicy(script: string | null): string {
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return [
    "default-src 'none'",
    "img-src data:",
    `style-src ${hash(style)}`,
    ...(script === null ? [] : [`script-src ${hash(script)}`]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}
