/** @file Reads HTML more strictly than any browser: what is not plainly well-formed is an error. It has no tests of its own. */

export interface HtmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** All text inside, entities resolved; of scripts and styles as it stands. */
  text: string;
}

const voidElements = new Set(["meta", "img", "br", "input"]);
const rawElements = new Set(["script", "style"]);
const entities = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["#39", "'"],
]);
const openTag = /^<([a-z][a-z0-9]*)((?: [a-zA-Z][a-zA-Z0-9-]*(?:="[^"<>]*")?)*) ?(\/?)>/;
const closeTag = /^<\/([a-z][a-z0-9]*)>/;

/** Elements in the order in which they open; throws where a tag is unbalanced, or a character stands where it may not. */
export function parseStrictly(page: string): HtmlElement[] {
  const elements: HtmlElement[] = [];
  const open: HtmlElement[] = [];
  const say = (text: string): void => {
    for (const element of open) element.text += text;
  };
  let rest = page.replace(/^<!doctype html>\n/, "");
  const fail = (why: string): never => {
    const place = open.map(({ name }) => name).join(" > ");
    throw new Error(`${why} in ${place || "the page"}: ${JSON.stringify(rest.slice(0, 120))}`);
  };
  while (rest !== "") {
    const opened = openTag.exec(rest);
    const closed = closeTag.exec(rest);
    if (opened) {
      const [tag, name, attributes, slash] = opened;
      const element = { name, attributes: attributesOf(attributes), text: "" };
      elements.push(element);
      rest = rest.slice(tag.length);
      if (slash !== "" || voidElements.has(name)) continue;
      open.push(element);
      if (!rawElements.has(name)) continue;
      const end = rest.indexOf(`</${name}`);
      if (end < 0) fail("no end");
      say(rest.slice(0, end));
      rest = rest.slice(end);
    } else if (closed) {
      const last = open.pop();
      if (last?.name !== closed[1]) fail(`<${last?.name ?? "nothing"}> closed by ${closed[0]}`);
      rest = rest.slice(closed[0].length);
    } else {
      const [text = ""] = /^[^<>]+/.exec(rest) ?? [];
      if (text === "") fail("stray character");
      say(resolved(text));
      rest = rest.slice(text.length);
    }
  }
  if (open.length > 0) fail("unclosed");
  return elements;
}

function attributesOf(text: string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name, value = ""] of text.matchAll(/ ([a-zA-Z][a-zA-Z0-9-]*)(?:="([^"]*)")?/g)) {
    if (attributes.has(name)) throw new Error(`attribute ${name} twice in ${text}`);
    attributes.set(name, resolved(value));
  }
  return attributes;
}

function resolved(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what HTML refuses
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/.test(text)) throw new Error(`control character in ${JSON.stringify(text)}`);
  return text.replace(/&([a-z]+|#[0-9]+)?;?/g, (whole, name: string) => {
    const character = whole.endsWith(";") ? entities.get(name) : undefined;
    if (character === undefined) throw new Error(`unescaped & in ${JSON.stringify(text)}`);
    return character;
  });
}
