import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SoftrepaError } from "../../core/errors.js";
import { inventedReport } from "../../testing/report/invented.js";
import { refuses, temporaryFolder } from "../../testing/weights/support.js";
import { readReport, writeReport } from "./files.js";
import { pngSize } from "./png-size.js";
import { renderReport } from "./render.js";
import { parseReport, type Report, reportSchema } from "./schema.js";

const report = await inventedReport({ prompts: 12, seedsEach: 1, effect: 1, images: 6 });

describe("report files", () => {
  const path = temporaryFolder();

  it("come back as they were", async () => {
    const files = await writeReport(path("run"), report);
    assert.deepEqual(await readReport(files.json), report);
    assert.equal(await readFile(files.html, "utf8"), renderReport(report));
    assert.equal(renderReport(await readReport(files.json)), renderReport(report));
  });

  it("are not written where the report is none", async () => {
    const curves = [{ name: "loss", kind: "number", steps: [1], values: [Number.NaN] } as const];
    const broken = { ...report, curves } as unknown as Report;
    await refuses(() => writeReport(path("broken"), broken), /at curves\.0\.values\.0/);
    await refuses(() => readReport(path("broken", "report.json")), /cannot read the report/);
  });

  it("that are damaged are refused in one line", async () => {
    const cases: [string, RegExp][] = [
      ["{", /cannot read the report/],
      ["[]", /is not a softrepa report/],
      [JSON.stringify({ ...report, formatVersion: 2 }), /at formatVersion/],
      [JSON.stringify({ ...report, extra: 1 }), /"extra"/],
      [JSON.stringify({ ...report, created: "yesterday" }), /at created/],
    ];
    for (const [text, message] of cases) {
      await writeFile(path("report.json"), text);
      await refuses(() => readReport(path("report.json")), message);
    }
  });
});

describe("the schema", () => {
  it("refuses sections whose parts do not fit each other", () => {
    const { similarity, gallery, information, curves } = report;
    assert.ok(similarity && gallery && information?.integrands && curves);
    const [matrix] = similarity.matrices;
    const [item] = gallery.items;
    const [integrand] = information.integrands;
    const broken: [object, RegExp][] = [
      [{ similarity: { ...similarity, images: ["a"] } }, /a row an image/],
      [{ similarity: { ...similarity, matrices: [{ ...matrix, values: [[1]] }] } }, /a row an image/],
      [{ similarity: { ...similarity, own: similarity.own.map(() => [99]) } }, /own captions/],
      [{ similarity: { ...similarity, own: [] } }, /own captions/],
      [{ gallery: { ...gallery, variants: ["base"] } }, /an image of every variant/],
      [{ gallery: { ...gallery, items: [{ ...item, images: [{ score: 1, reason: "", png: "AAAA" }] }] } }, /PNG/],
      [{ information: { ...information, integrands: [{ ...integrand, values: [1] }] } }, /one value/],
      [{ curves: [{ ...curves[0], values: [1] }] }, /one value a step/],
    ];
    for (const [change, message] of broken) {
      assert.throws(() => parseReport({ ...report, ...change }, "it"), message);
    }
  });

  it("accepts or refuses any value, and renders what it accepts", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(report)), fc.jsonValue(), (key, value) => {
        try {
          renderReport(parseReport({ ...report, [key]: value }, "it"));
        } catch (error) {
          assert.ok(error instanceof SoftrepaError && !error.message.includes("\n"), String(error));
        }
      }),
    );
    assert.ok(reportSchema.safeParse(report).success);
  });

  it("knows a PNG by its header", () => {
    const png = report.gallery?.items[0]?.images[0]?.png ?? "";
    assert.deepEqual(pngSize(png), { width: 64, height: 64 });
    for (const broken of ["", "iVBORw0KGgo=", png.slice(0, 28), `A${png}`]) assert.equal(pngSize(broken), null);
  });
});
