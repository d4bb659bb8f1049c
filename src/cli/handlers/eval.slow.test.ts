import assert from "node:assert/strict";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { encodePng } from "../../data/png.js";
import { heldOutPrompts } from "../../scenes/prompts.js";
import { render } from "../../scenes/render.js";
import { writeSoftTokens } from "../../softtokens/formats/index.js";
import {
  events,
  model,
  namesIn,
  refusesTo,
  scratchFolder,
  smallTokens,
  softrepa,
  succeeds,
} from "../../testing/cli/support.js";
import { smallClip } from "../../testing/evaluation/open-clip.js";

const at = await scratchFolder();
const small = ["--threads", "1"];
const weights = () => ["--weights", at("weights")];

interface Measurement {
  readonly metric: { readonly name: string };
  readonly rows: readonly {
    readonly variant: string;
    readonly label: string;
    readonly estimate: { readonly value: number };
  }[];
}

describe("softrepa eval", () => {
  before(async () => {
    await cp(smallClip, at("weights", "clip-small"), { recursive: true });
    await writeSoftTokens(at("tokens.safetensors"), smallTokens(), "softrepa");
    const prompts = heldOutPrompts(12, 3);
    for (const [variant, shift] of [
      ["base", 1],
      ["tuned", 0],
    ] as const) {
      await mkdir(at(variant));
      const lines = [];
      for (const [index, { prompt, category, expectation }] of prompts.entries()) {
        const { scene } = prompts[(index + (index < 6 ? shift : 0)) % 12];
        await writeFile(at(variant, `${index}.png`), await encodePng(render(scene), {}));
        lines.push(JSON.stringify({ file_name: `${index}.png`, text: prompt, category, expectation }));
      }
      await writeFile(at(variant, "metadata.jsonl"), lines.join("\n"));
    }
  });

  it("evaluates folders of images, writes report, scores and CSV, and caches features", async () => {
    const out = at("report");
    const args = ["eval", "--images", at("base"), at("tuned"), ...weights(), ...small, "--out", out];
    const reported = await events(...args);
    const [found] = reported.filter(({ event }) => event === "evaluation");
    assert.ok(found);
    const comparisons = found.comparisons as { metric: { name: string }; rows: { scope: string; pairs: number }[] }[];
    assert.deepEqual(
      comparisons.map(({ metric }) => metric.name),
      ["accuracy", "CLIPScore"],
    );
    assert.ok(comparisons.every(({ rows }) => rows.some(({ scope, pairs }) => scope === "all" && pairs === 12)));
    const notRun = found.notRun as { name: string; reason: string }[];
    assert.deepEqual(
      notRun.map(({ name }) => name),
      ["PickScore", "HPSv2.1", "ImageReward", "FID", "LPIPS"],
    );
    assert.match(notRun[0].reason, /weights lacks a folder with PickScore in its name/);
    const names = await namesIn(out);
    for (const name of ["report.html", "report.json", "scores.csv", "scores.json"])
      assert.ok(names.includes(name), name);
    assert.ok(names.some((name) => /^features.clipscore-.*\.safetensors$/.test(name)));
    const csv = (await readFile(join(out, "scores.csv"), "utf8")).trimEnd().split("\r\n");
    assert.equal(csv.length, 25);
    assert.match(csv[0], /^variant,file,prompt,seed,category,accuracy,CLIPScore,reason$/);

    // A folder that is not empty is refused; with --force the cached features are used.
    await refusesTo(args, 1, /run folder .* is not empty/);
    const again = await events(...args, "--force");
    assert.deepEqual(
      again.filter(({ event, label }) => event === "progress" && label === "CLIPScore"),
      [],
    );
    const [same] = again.filter(({ event }) => event === "evaluation");
    assert.deepEqual(same?.comparisons, found.comparisons);
  });

  it("prints the table, the metrics that did not run and the path of the report", async () => {
    const printed = await succeeds(
      "eval",
      "--images",
      at("base"),
      at("tuned"),
      ...weights(),
      ...small,
      "--out",
      at("people"),
    );
    assert.match(printed, /^accuracy: tuned against base$/m);
    assert.match(printed, /^With tuned, CLIPScore /m);
    assert.match(printed, /^not run: FID \(.*inception.*\)$/m);
    assert.match(printed, /people.report\.html$/m);
  });

  it("evaluates a single folder, and compares runs", async () => {
    for (const name of ["base", "tuned"]) {
      // compare shows images below the run's folder alone.
      await cp(at(name), at("runs", name, "images"), { recursive: true });
      const images = ["--images", at("runs", name, "images"), "--force"];
      const args = ["eval", ...images, "--metrics", "accuracy,clipscore", ...weights(), ...small];
      const [found] = (await events(...args, "--out", at("runs", name))).slice(-1);
      const measurements = found.measurements as Measurement[];
      assert.deepEqual(
        measurements.map(({ metric }) => metric.name),
        ["accuracy", "CLIPScore"],
      );
      assert.deepEqual(measurements[0].rows.map(({ label }) => label).at(-1), "all");
      assert.deepEqual([found.comparisons, found.notRun], [[], []]);
    }
    const runs = ["base", "tuned"].map((name) => at("runs", name));
    const printed = await succeeds("compare", ...runs, "--out", at("compared"));
    assert.match(printed, /^accuracy: tuned against base$/m);
    const page = await readFile(at("compared", "report.html"), "utf8");
    assert.match(page, /id="gallery"/);
    await refusesTo(["compare", runs[0], runs[0]], 2, /the run "base" is given twice/);
  });

  it("generates with a pipeline, with and without tokens, from the same prompts and seeds", async () => {
    await writeFile(at("prompts.txt"), "a red circle\na blue square\n");
    const sampling = ["--prompts", at("prompts.txt"), "--seeds", "2", "--seed", "5", "--steps", "1", "--batch", "2"];
    const args = [
      "eval",
      ...model,
      "--tokens",
      at("tokens.safetensors"),
      ...sampling,
      "--metrics",
      "accuracy,CLIPScore,LPIPS",
    ];
    const [found] = (await events(...args, ...weights(), "--out", at("drawn"))).slice(-1);
    // Images of the small pipeline have the size of scenes, and so are evaluated as scenes too.
    const compared = found.comparisons as { metric: { name: string } }[];
    assert.deepEqual(
      compared.map(({ metric }) => metric.name),
      ["accuracy", "CLIPScore"],
    );
    const names = await namesIn(at("drawn"));
    const files = ["1.png", "2.png", "3.png", "4.png", "metadata.jsonl"];
    for (const variant of ["base", "tuned"]) {
      assert.deepEqual(
        names.filter((name) => name.startsWith(join(variant, "/"))),
        files.map((name) => join(variant, name)),
      );
    }
    const lines = (await readFile(at("drawn", "tuned", "metadata.jsonl"), "utf8")).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)).map(({ text, seed }) => [text, seed]),
      [
        ["a red circle", 5],
        ["a red circle", 6],
        ["a blue square", 7],
        ["a blue square", 8],
      ],
    );
    const report = JSON.parse(await readFile(at("drawn", "report.json"), "utf8"));
    assert.deepEqual([report.settings.tokens, report.settings.steps], ["tokens.safetensors", 1]);
    assert.notDeepEqual(await readFile(at("drawn", "base", "1.png")), await readFile(at("drawn", "tuned", "1.png")));
  });

  it("rejects impossible requests in one line", async () => {
    const out = ["--out", at("never")];
    await refusesTo(["eval", ...out], 2, /nothing to evaluate/);
    await refusesTo(["eval", "--images", at("base"), "--model", "m", ...out], 2, /excludes --model/);
    await refusesTo(["eval", "--model", "m", ...out], 2, /prompts are missing: give --prompts or --scenes/);
    await refusesTo(
      ["eval", "--images", at("base"), "--metrics", "BLEU", ...out],
      2,
      /--metrics must be one or more of accuracy,CLIPScore,/,
    );
    await refusesTo(["eval", "--images", at("nowhere"), ...out], 1, /cannot open data folder .*nowhere/);
    await mkdir(at("empty"), { recursive: true });
    await refusesTo(["eval", "--images", at("empty"), ...out], 1, /empty holds no png, jpeg or webp image/);
    await refusesTo(
      ["eval", "--images", at("base"), "--weights", at("none"), ...out],
      1,
      /no such file or folder: .*none/,
    );
    await refusesTo(
      ["eval", "--images", at("base"), "--reference", at("none"), ...out],
      1,
      /--reference: no such file/,
    );
    await refusesTo(["compare", at("base"), at("tuned")], 1, /base has no scores\.json/);
    const alone = await softrepa(["compare", at("runs", "base")]);
    assert.deepEqual(
      [alone.code, alone.stderr],
      [2, "softrepa: a comparison needs at least two variants; name another run\n"],
    );
  });
});
