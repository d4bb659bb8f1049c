import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { floatTensor } from "../../core/tensor.js";
import { encodePng } from "../../data/png.js";
import { inventedReport } from "../../testing/report/invented.js";
import { type HtmlElement, parseStrictly } from "../../testing/report/strict-html.js";
import { renderReport } from "./render.js";
import { type Report, reportSchema } from "./schema.js";

const report = await inventedReport({ prompts: 18, seedsEach: 2, effect: 1, images: 12 });
const page = renderReport(report);
const elements = parseStrictly(page);
const bare: Report = {
  format: "softrepa-report",
  formatVersion: 1,
  title: "Nothing",
  created: "2026-11-23T08:35:07+02:00",
};

const named = (name: string, among: readonly HtmlElement[] = elements) =>
  among.filter((element) => element.name === name);
const idsOf = (among: readonly HtmlElement[]) => among.flatMap(({ attributes }) => attributes.get("id") ?? []);
const sectionsOf = (of: Report) => idsOf(named("section", parseStrictly(renderReport(of))));
/** All that is not text or a number: elements with their attributes' names, classes and ids. */
const shapeOf = (html: string) =>
  parseStrictly(html).map(({ name, attributes }) =>
    [name, ...attributes.keys(), attributes.get("class"), attributes.get("id")].join(" "),
  );

/** Keys whose strings mean something to the program, not the reader. */
const meaning = new Set(["format", "created", "kind", "better", "scope", "finding", "unit", "png"]);
/** Every string that comes from data, changed. */
function changed(value: unknown, change: (text: string) => string, key = ""): unknown {
  if (typeof value === "string") return meaning.has(key) ? value : change(value);
  if (Array.isArray(value)) return value.map((item) => changed(item, change, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, changed(item, change, name)]));
}

describe("report.html", () => {
  it("is well-formed, its ids are unique, its links lead somewhere", () => {
    const ids = idsOf(elements);
    assert.equal(new Set(ids).size, ids.length);
    const links = named("a").map(({ attributes }) => attributes.get("href"));
    assert.ok(links.length > 5);
    for (const link of links) assert.ok(link?.startsWith("#") && ids.includes(link.slice(1)), link);
  });

  it("loads nothing and lets nothing else run", () => {
    for (const { name, attributes } of elements) {
      assert.ok(!["link", "iframe", "object", "embed", "base"].includes(name), name);
      for (const [attribute, value] of attributes) {
        assert.ok(!attribute.startsWith("on") && attribute !== "style", attribute);
        if (attribute === "src") assert.match(value, /^data:image\/png;base64,[0-9A-Za-z+/]+=*$/);
      }
    }
    const [style, ...moreStyles] = named("style");
    const [script, ...moreScripts] = named("script");
    assert.deepEqual([moreStyles, moreScripts], [[], []]);
    assert.doesNotMatch(style?.text ?? "", /url\(|@import/);
    assert.doesNotMatch(script?.text ?? "", /innerHTML|fetch|eval|import|https?:/);
    const policy = named("meta")
      .find(({ attributes }) => attributes.has("http-equiv"))
      ?.attributes.get("content");
    const hash = (text = "") => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
    assert.match(policy ?? "", /^default-src 'none'; img-src data:; /);
    assert.ok(
      policy?.includes(`style-src ${hash(style?.text)}`) && policy.includes(`script-src ${hash(script?.text)}`),
    );
    assert.doesNotMatch(policy ?? "", /unsafe|\*/);
  });

  it("keeps its shape whatever the data's texts hold", () => {
    const attacks = [
      "<script>alert(1)</script>",
      '"><img src=x onerror=alert(1)>',
      "' onload='alert(1)",
      "</style></title><h1>",
      "<!-- ]]> &amp; &lt; &",
      "{{1}} `\\u003cscript>",
      "\u2028\u0000\u001b[31m\ud800 \u202e",
      "a cat < a dog && b > c",
    ];
    const shape = shapeOf(page);
    for (const attack of attacks) {
      const attacked = reportSchema.parse(changed(report, (text) => text + attack));
      const html = renderReport(attacked);
      assert.deepEqual(shapeOf(html), shape, attack);
    }
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.deepEqual(shapeOf(renderReport(reportSchema.parse(changed(report, (own) => own + text)))), shape);
      }),
      { numRuns: 5 },
    );
  });

  it("shows texts as they are", () => {
    const prompt = `<b>"a" & 'b'</b>`;
    const gallery = report.gallery && {
      ...report.gallery,
      items: report.gallery.items.map((item) => ({ ...item, prompt })),
    };
    const titles = named("h4", parseStrictly(renderReport({ ...report, gallery })));
    assert.ok(titles.length > 0 && titles.every(({ text }) => text === prompt));
  });

  it("has the sections that the report has, in order, and no others", () => {
    const all = sectionsOf(report);
    const keys = [
      "checkpoints",
      "curves",
      "similarity",
      "information",
      "settings",
      "cost",
      "notes",
      "gallery",
    ] as const;
    assert.deepEqual(all, ["results", ...keys.map((key) => (key === "curves" ? "training" : key))]);
    for (const key of keys) {
      const { [key]: _, ...rest } = report;
      assert.deepEqual(
        sectionsOf(rest),
        all.filter((id) => id !== (key === "curves" ? "training" : key)),
      );
    }
    assert.deepEqual(sectionsOf(bare), []);
    assert.deepEqual(sectionsOf({ ...bare, comparisons: [], notRun: [], curves: [], notes: [] }), []);
    assert.doesNotMatch(renderReport(bare), /<nav|<script|script-src|headline"/);
  });

  it("lists what did not run with its reason, and gives it no number", () => {
    const html = renderReport({ ...bare, notRun: [{ name: "ImageReward", reason: "no weights" }] });
    const [results] = named("section", parseStrictly(html));
    assert.equal(results?.text, "ResultsNot runImageReward: no weights");
  });

  it("puts every category's numbers into the table, the mean without counting and references too", () => {
    const rows = named("tr").map(({ text }) => text);
    const [comparison] = report.comparisons ?? [];
    assert.ok(comparison);
    for (const { label, means, contrasts, pairs } of comparison.rows) {
      const row = rows.find((text) => text.toLowerCase().startsWith(label));
      assert.ok(row, label);
      const { wins, ties, losses, finding } = contrasts[0];
      for (const { value } of means.slice(0, 2)) assert.ok(row.includes(`${(100 * value).toFixed(1)}%`), row);
      for (const part of [String(pairs), finding, `${wins}\u202f/\u202f${ties}\u202f/\u202f${losses}`]) {
        assert.ok(row.includes(part), `${part} in ${row}`);
      }
    }
    assert.ok(rows.some((text) => text.startsWith("prompt prefix mean over all")));
    assert.ok(rows.some((text) => text.startsWith("score matching only mean without counting")));
    assert.match(named("p").find(({ attributes }) => attributes.get("class") === "headline")?.text ?? "", /accuracy/);
  });

  it("has all images, failures included, small ones enlarged by whole pixels", async () => {
    assert.equal(named("article").length, report.gallery?.items.length);
    assert.ok(named("article").some(({ text }) => /wrong.*expected/.test(text)));
    for (const { attributes } of named("img")) {
      assert.deepEqual(
        [attributes.get("class"), attributes.get("width"), attributes.get("height")],
        ["pixelated", "128", "128"],
      );
    }
    const sizes = [
      [1, 1, "pixelated", "128", "128"],
      [128, 64, "pixelated", "128", "64"],
      [50, 20, "pixelated", "100", "40"],
      [200, 100, "smooth", "200", "100"],
      [512, 1024, "smooth", "128", "256"],
    ] as const;
    for (const [width, height, ...expected] of sizes) {
      const png = Buffer.from(await encodePng(floatTensor([3, height, width]), {})).toString("base64");
      const items = [{ prompt: "a", category: "b", seed: 1, images: [{ score: null, reason: "", png }] }];
      const metric = { name: "accuracy", kind: "verdict", better: "higher" } as const;
      const gallery = { metric, variants: ["base"], chosen: "all", items };
      const [image] = named("img", parseStrictly(renderReport({ ...bare, gallery })));
      assert.deepEqual(
        ["class", "width", "height"].map((name) => image?.attributes.get(name)),
        expected,
      );
    }
  });

  it("works without its script: the controls are hidden until it runs, all cards are there", () => {
    assert.ok(named("form")[0]?.attributes.has("hidden"));
    assert.ok(named("article").every(({ attributes }) => !attributes.has("hidden")));
    const wanted = [...(named("script")[0]?.text.matchAll(/byId\("([^"]+)"\)/g) ?? [])].map(([, id]) => id);
    assert.ok(wanted.length >= 6);
    for (const id of wanted) assert.ok(idsOf(elements).includes(id), id);
  });

  it("draws what is degenerate: one point, equal numbers, no own captions, one category", () => {
    const html = renderReport(
      reportSchema.parse({
        ...bare,
        curves: [
          { name: "loss", kind: "number", steps: [1], values: [0] },
          { name: "rank", kind: "share", steps: [1, 2], values: [1, 1] },
        ],
        checkpoints: {
          metric: { name: "CLIPScore", kind: "number", better: "higher" },
          panels: [
            {
              category: "all",
              baseline: null,
              points: [{ step: 0, estimate: { value: 0, standardError: null, interval: null } }],
            },
          ],
        },
        similarity: {
          measure: "error",
          better: "lower",
          captions: ["a"],
          images: ["a.png", "b.png"],
          own: [[], []],
          matrices: [{ name: "base", values: [[0.5], [0.5]] }],
        },
        information: {
          unit: "bits",
          estimates: [{ name: "base", value: 0, standardError: null }],
          integrands: [{ name: "base", logSnr: [0], values: [0] }],
        },
        cost: { phases: [] },
        settings: {},
      }),
    );
    assert.ok(parseStrictly(html).length > 50);
    assert.doesNotMatch(html, /NaN|Infinity|undefined|null/);
  });

  it("names captions in a list where a matrix is too large to label", () => {
    const captions = Array.from({ length: 41 }, (_, i) => `caption ${i}`);
    const similarity: Report["similarity"] = {
      measure: "error",
      better: "lower",
      captions,
      images: ["one.png"],
      own: [[3]],
      matrices: [{ name: "base", values: [captions.map((_, i) => i)] }],
    };
    const drawn = parseStrictly(renderReport({ ...bare, similarity }));
    const names = named("li", drawn).map(({ text }) => text);
    for (const name of [...captions, "one.png"]) assert.ok(names.includes(name), name);
    assert.ok(names.some((text) => text.startsWith("own caption first: 0 of 1 image,")));
  });

  it("holds no non-finite number", () => {
    for (const { name, attributes } of elements) {
      for (const [attribute, value] of attributes) {
        if (name !== "img") assert.doesNotMatch(value, /NaN|Infinity|undefined|\[object/, `${name} ${attribute}`);
      }
    }
    assert.doesNotMatch(named("main")[0]?.text ?? "", /NaN|Infinity|undefined|\[object/);
  });
});
