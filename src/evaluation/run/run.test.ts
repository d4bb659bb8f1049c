import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { InputError } from "../../core/errors.js";
import { encodePng, savePng } from "../../data/png.js";
import { heldOutPrompts } from "../../scenes/prompts.js";
import { render } from "../../scenes/render.js";
import { sceneVerifier } from "../metrics/scene-accuracy.js";
import { parseReport, renderReport } from "../report/index.js";
import { chosenPairs } from "./gallery-choice.js";
import {
  compareScores,
  type EvaluationScores,
  joinRuns,
  readGenEval,
  readImageSet,
  readPromptList,
  readRun,
  readScores,
  requireSamePrompts,
  runMetrics,
  scoresReport,
  variantNames,
  writeScores,
} from "./index.js";
import { scoresCsv } from "./scores.js";

const prompts = heldOutPrompts(12, 3);
const metrics = { opened: [sceneVerifier], notRun: [{ name: "FID", reason: "no weights" }] };

let root = "";
before(async () => {
  root = await mkdtemp(join(tmpdir(), "softrepa-run-"));
  for (const [variant, wrong] of [
    ["base", [0, 1, 2, 3]],
    ["tuned", [0]],
  ] as const) {
    const lines = [];
    for (const [index, { prompt, category, expectation, scene }] of prompts.entries()) {
      // What is asked for, or what the prompt after the next asks for.
      const shown = (wrong as readonly number[]).includes(index) ? prompts[index + 2].scene : scene;
      const name = `${String(index).padStart(2, "0")}.png`;
      await mkdir(join(root, variant), { recursive: true });
      await writeFile(join(root, variant, name), await encodePng(render(shown), {}));
      lines.push(JSON.stringify({ file_name: name, text: prompt, seed: 7 + index, category, expectation }));
    }
    await writeFile(join(root, variant, "metadata.jsonl"), `${lines.join("\n")}\n`);
  }
});
after(() => rm(root, { recursive: true, force: true }));

const refuses = (call: () => Promise<unknown>, pattern: RegExp) =>
  assert.rejects(
    call,
    (error) => error instanceof InputError && pattern.test(error.message) && !error.message.includes("\n"),
  );

async function measured(...variants: readonly string[]): Promise<EvaluationScores> {
  const sets = await Promise.all(variants.map((name) => readImageSet(join(root, name), name, null)));
  return runMetrics(sets, { folder: root, metrics });
}

describe("readImageSet", () => {
  it("takes prompt, seed, category and what metrics read from metadata.jsonl", async () => {
    const { images } = await readImageSet(join(root, "base"), "base", null);
    assert.deepEqual(
      images.map(({ prompt, seed, category, metadata }) => ({
        ...{ prompt, seed, category },
        expectation: metadata?.expectation,
      })),
      prompts.map(({ prompt, category, expectation }, index) => ({ prompt, seed: 7 + index, category, expectation })),
    );
    assert.equal(new Set(images.map(({ hash }) => hash)).size, 12 - 2);
  });

  it("takes .txt files, settings inside PNG files, or a list, and numbers images of one prompt", async () => {
    const folder = join(root, "sources");
    const image = render(prompts[0].scene);
    await mkdir(folder);
    const settings = (value: object) => ({ softrepa: JSON.stringify(value) });
    await savePng(join(folder, "a.png"), image, settings({ prompt: "a cat", seed: 5 }));
    await savePng(join(folder, "b.png"), image, settings({ prompt: "a dog", steps: 3 }));
    await savePng(join(folder, "c.png"), image, settings({ prompt: "a dog" }));
    const seen = async (list: readonly string[] | null) =>
      (await readImageSet(folder, "x", list?.map((prompt) => ({ prompt })) ?? null)).images.map(
        ({ prompt, seed }) => `${prompt} ${seed}`,
      );
    assert.deepEqual(await seen(null), ["a cat 5", "a dog 0", "a dog 1"]);
    assert.deepEqual(await seen(["one"]), ["one 0", "one 1", "one 2"]);
    assert.deepEqual(await seen(["one", "two", "three"]), ["one 0", "two 0", "three 0"]);
    // Numbered names are read in the order of their numbers.
    await mkdir(join(root, "numbered"));
    const numbered = Array.from({ length: 12 }, (_, index) => `${index}.png`);
    for (const name of numbered) await savePng(join(root, "numbered", name), image, {});
    const byNumber = numbered.map((name) => ({ prompt: `prompt ${name}` }));
    const { images } = await readImageSet(join(root, "numbered"), "x", byNumber);
    for (const { file, prompt } of images) assert.equal(`prompt ${basename(file)}`, prompt);
    await refuses(() => seen(["one", "two"]), /sources has 3 images, which 2 prompts do not divide evenly/);
    for (const name of ["a", "b", "c"]) await writeFile(join(folder, `${name}.txt`), `of ${name}\nanother\n`);
    assert.deepEqual(await seen(null), ["of a 0", "of b 0", "of c 0"]);
  });

  it("takes lists of prompts with categories, as GenEval has them", async () => {
    const file = join(root, "prompts.jsonl");
    await writeFile(
      file,
      '{"tag":"colors","include":[],"prompt":"a red car"}\n{"prompt":"a dog","category":"animals"}\n',
    );
    const list = await readPromptList(file);
    assert.deepEqual(list, [
      { prompt: "a red car", category: "colors" },
      { prompt: "a dog", category: "animals" },
    ]);
    const { images } = await readImageSet(join(root, "base"), "x", list);
    assert.deepEqual(
      [0, 5, 6, 11].map((index) => [images[index].prompt, images[index].seed, images[index].category]),
      [
        ["a red car", 0, "colors"],
        ["a red car", 5, "colors"],
        ["a dog", 0, "animals"],
        ["a dog", 5, "animals"],
      ],
    );
    await writeFile(file, '{"tag":"colors"}\n');
    await refuses(() => readPromptList(file), /prompts\.jsonl entry 1 has no prompt/);
    await writeFile(join(root, "prompts.txt"), "# list\na dog\n");
    assert.deepEqual(await readPromptList(join(root, "prompts.txt")), [{ prompt: "a dog" }]);
  });

  it("says what is missing or damaged", async () => {
    const folder = join(root, "bare");
    await mkdir(folder);
    const read = () => readImageSet(folder, "x", null);
    await refuses(read, /bare holds no png, jpeg or webp image/);
    await savePng(join(folder, "a.png"), render(prompts[0].scene), {});
    await refuses(read, /the prompt of .*a\.png is not known .*give `prompts`/);
    await writeFile(join(folder, "metadata.jsonl"), '{"file_name":"a.png","text":"x","seed":-1}\n');
    await refuses(read, /metadata\.jsonl line 1: "seed"/);
  });

  it("names folders by their last part where that tells them apart", () => {
    assert.deepEqual(variantNames(["runs/a", "runs/b/"]), ["a", "b"]);
    assert.deepEqual(variantNames(["one/base", "two/base"]), ["one/base", "two/base"]);
  });

  it("refuses to compare other prompts or seeds, before anything is measured", async () => {
    const base = await readImageSet(join(root, "base"), "base", null);
    const fewer = { name: "fewer", images: base.images.slice(1) };
    requireSamePrompts([base, { ...base, name: "same" }]);
    assert.throws(() => requireSamePrompts([base, fewer]), /base has an image of ".*" with seed 7, fewer has none/);
    assert.throws(() => requireSamePrompts([fewer, base]), /base has an image of ".*" with seed 7, fewer has none/);
  });
});

describe("runMetrics", () => {
  it("evaluates scenes, and names what did not run instead of counting it", async () => {
    const scores = await measured("base", "tuned");
    assert.deepEqual(scores.notRun, metrics.notRun);
    const right = scores.variants.map(({ images }) => images.map((image) => image.scores.accuracy));
    // A scene may by chance show what another asks for; that is the verifier's to say.
    assert.deepEqual(right[1].slice(4), Array(8).fill(1));
    assert.ok(right[0].slice(0, 4).includes(0));
    assert.ok(scores.variants[0].images.every(({ scores: table }) => !("FID" in table)));
    const wrong = scores.variants[0].images.find(({ scores: table }) => table.accuracy === 0);
    assert.match(wrong?.reason ?? "", /^expected /);
    assert.equal(wrong?.file, join("base", (wrong?.file ?? "").split(/[/\\]/).at(-1) ?? ""));
  });

  it("takes categories from verdicts where none is named, and says when nothing can be verified", async () => {
    const folder = join(root, "asked");
    await mkdir(folder);
    const image = render(prompts[0].scene);
    await savePng(join(folder, "a.png"), image, { softrepa: JSON.stringify({ prompt: "three red stars" }) });
    await savePng(join(folder, "b.png"), image, { softrepa: JSON.stringify({ prompt: "three red cats" }) });
    const [{ images }] = (await measured("asked")).variants;
    assert.deepEqual(
      images.map(({ category, scores }) => [category, "accuracy" in scores]),
      [
        ["counting", true],
        ["prompts", false],
      ],
    );
    await rm(join(folder, "a.png"));
    const { metrics: measuredMetrics, notRun } = await measured("asked");
    assert.deepEqual(
      [measuredMetrics, notRun.at(-1)],
      [[], { name: "accuracy", reason: "no prompt asks what it can verify" }],
    );
  });

  it("images that the verifier cannot read make accuracy not run", async () => {
    const folder = join(root, "large");
    await mkdir(folder);
    const { width, data } = { width: 80, data: new Float32Array(3 * 80 * 80) };
    await savePng(join(folder, "a.png"), { dtype: "float32", shape: [3, width, width], data }, {});
    const [{ prompt, expectation }] = prompts;
    await writeFile(join(folder, "metadata.jsonl"), JSON.stringify({ file_name: "a.png", text: prompt, expectation }));
    const scores = await measured("large");
    assert.deepEqual([scores.metrics, scores.variants[0].images[0].scores], [[], {}]);
    assert.match(scores.notRun.find(({ name }) => name === "accuracy")?.reason ?? "", /reads images of 64 x 64/);
  });
});

describe("scores", () => {
  it("come back from their file; the CSV has a line an image and empty cells for what did not run", async () => {
    const scores = await measured("base", "tuned");
    await writeScores(join(root, "written"), scores);
    assert.deepEqual(await readScores(join(root, "written")), scores);
    const lines = (await readFile(join(root, "written", "scores.csv"), "utf8")).trimEnd().split("\r\n");
    assert.deepEqual([lines.length, lines[0]], [25, "variant,file,prompt,seed,category,accuracy,reason"]);
    const [image] = scores.variants[0].images;
    const odd = { ...image, prompt: '=1+1, "x"', scores: {}, reason: "" };
    const csv = scoresCsv({ ...scores, variants: [{ name: "v", images: [odd] }] }).split("\r\n");
    assert.equal(csv[1], `v,${image.file},"'=1+1, ""x""",7,${image.category},,`);
    await refuses(() => readScores(join(root, "base")), /base has no scores\.json/);
    await refuses(() => readScores(join(root, "nowhere")), /no such file or folder: .*nowhere/);
  });
});

describe("reports of scores", () => {
  it("of two variants: a comparison by category with counting apart, and a gallery of all pairs", async () => {
    const scores = await measured("base", "tuned");
    const report = parseReport(await scoresReport(scores, { title: "x", folder: root }), "it");
    const [comparison] = report.comparisons ?? [];
    assert.deepEqual(
      comparison.rows.filter(({ scope }) => scope === "apart").map(({ label }) => label),
      ["counting"],
    );
    assert.deepEqual(comparison.rows.at(-2)?.pairs, 12);
    assert.equal(report.gallery?.items.length, 12);
    assert.match(report.headline ?? "", /^With tuned, accuracy /);
    assert.deepEqual(report.notRun, metrics.notRun);
    const page = renderReport(report);
    assert.match(page, /<b>FID<\/b>: no weights/);
    assert.doesNotMatch(page, /https?:\/\//);
  });

  it("of one variant: means with intervals by category, the worst images first", async () => {
    const scores = await measured("base");
    const report = parseReport(await scoresReport(scores, { title: "x", folder: root }), "it");
    assert.equal(report.comparisons, undefined);
    const [{ rows }] = report.measurements ?? [];
    assert.deepEqual(
      rows.map(({ label, images }) => [label, images]),
      [...["single", "two", "counting", "colours", "position", "attribution"].map((name) => [name, 2]), ["all", 12]],
    );
    const right = scores.variants[0].images.filter(({ scores: { accuracy } }) => accuracy === 1).length;
    assert.equal(rows.at(-1)?.estimate.value, right / 12);
    assert.equal(report.gallery?.items[0].images[0].score, 0);
    assert.match(renderReport(report), /the worst scores first/);
  });

  it("of sets: FID with its warning, as a number without interval", async () => {
    const scores: EvaluationScores = {
      ...(await measured("base", "tuned")),
      sets: [
        {
          metric: "FID",
          variant: "base",
          value: 31.5,
          images: 12,
          reference: "real.npz",
          remark: "from 12 images",
        },
        {
          metric: "FID",
          variant: "tuned",
          value: 30.25,
          images: 12,
          reference: "real.npz",
          remark: "from 12 images",
        },
      ],
    };
    const { measurements = [] } = await scoresReport(scores, { title: "x", folder: root });
    assert.deepEqual(measurements[0].metric, { name: "FID", kind: "number", better: "lower" });
    assert.equal(measurements[0].remark, "against real.npz; from 12 images");
    assert.deepEqual(measurements[0].rows[1].estimate, { value: 30.25, standardError: null, interval: null });
  });
});

describe("chosenPairs", () => {
  const variant = (name: string, scores: readonly number[]) => ({
    name,
    images: scores.map((score, seed) => {
      return { file: null, prompt: "p", seed, category: "c", scores: { m: score }, reason: "" };
    }),
  });
  const metric = { name: "m", kind: "number", better: "higher" } as const;

  it("takes the largest gains and the largest losses where not all fit", () => {
    const variants = [variant("a", [0, 0, 0, 0, 0]), variant("b", [1, -3, 0, 5, -1])];
    const { pairs, chosen } = chosenPairs(variants, metric, 4);
    assert.deepEqual(
      pairs.map(([, { seed }]) => seed),
      [3, 0, 4, 1],
    );
    assert.equal(chosen, "the 2 with the largest gains and the 2 with the largest losses of 5");
    const lower = chosenPairs(variants, { ...metric, better: "lower" }, 2);
    assert.deepEqual(
      lower.pairs.map(([, { seed }]) => seed),
      [1, 3],
    );
    assert.equal(chosenPairs(variants, metric).chosen, "all");
  });
});

it("reads GenEval's folders: the samples without the grid, and the prompt of each folder", async () => {
  const folder = join(root, "geneval");
  const image = render(prompts[0].scene);
  for (const [index, prompt] of ["a bench", "a cow", "a bench"].entries()) {
    const own = join(folder, String(index).padStart(5, "0"));
    await mkdir(join(own, "samples"), { recursive: true });
    await savePng(join(own, "grid.png"), image, {});
    for (const name of ["00000.png", "00001.png"]) await savePng(join(own, "samples", name), image, {});
    await writeFile(join(own, "metadata.jsonl"), JSON.stringify({ tag: "single_object", include: [], prompt }));
  }
  const read = async (list: readonly string[] | null) =>
    (await readImageSet(folder, "x", list?.map((prompt) => ({ prompt })) ?? null)).images;
  const expected = ["a bench 0", "a bench 1", "a cow 0", "a cow 1", "a bench 10000", "a bench 10001"];
  for (const list of [null, ["a bench", "a cow", "a bench"]]) {
    const images = await read(list);
    assert.deepEqual(
      images.map(({ prompt, seed }) => `${prompt} ${seed}`),
      expected,
    );
    assert.ok(images.every(({ file, category }) => !file.includes("grid") && category === "single_object"));
  }
  await refuses(() => read(["a bench", "a dog", "a bench"]), /00001\/metadata\.jsonl has the prompt "a cow", entry 2/);
  await rm(join(folder, "00001", "metadata.jsonl"));
  assert.equal((await read(["a bench", "a dog", "a bench"]))[2].prompt, "a dog");
  await refuses(() => read(null), /the prompt of .*00001 is not known/);
  await savePng(join(folder, "stray.png"), image, {});
  await refuses(() => read(null), /but also stray\.png/);
});

describe("runs compared", () => {
  const line = (folder: number, sample: number, tag: string, correct: boolean) =>
    JSON.stringify({
      filename: `out/${String(folder).padStart(5, "0")}/samples/${String(sample).padStart(4, "0")}.png`,
      ...{
        tag,
        prompt: `prompt ${folder}`,
        correct,
        reason: correct ? "" : "expected cat>=1, found 0",
        metadata: "{}",
      },
    });

  it("GenEval's results, by its categories", async () => {
    const [a, b] = ["base.jsonl", "tuned.jsonl"].map((name) => join(root, name));
    const verdicts = (right: readonly boolean[]) =>
      right.map((correct, i) => line(i >> 1, i % 2, i < 4 ? "counting" : "colors", correct)).join("\n");
    await writeFile(a, verdicts([true, true, false, true, false, false]));
    await writeFile(b, `${verdicts([true, false, false, true, true, true])}\n`);
    const joined = await joinRuns([await readRun(a), await readRun(b)], root);
    const [{ rows, variants }] = compareScores(joined);
    assert.deepEqual(variants, ["base", "tuned"]);
    assert.deepEqual(
      rows.map(({ label, scope, means, contrasts: [{ wins, ties, losses }] }) => {
        return [label, scope, means.map(({ value }) => value), wins, ties, losses];
      }),
      [
        ["counting", "apart", [0.75, 0.5], 0, 3, 1],
        ["colors", "category", [0, 1], 2, 0, 0],
        ["mean over all", "all", [0.5, 4 / 6], 2, 3, 1],
        ["mean without counting", "without apart", [0, 1], 2, 0, 0],
      ],
    );
    const { gallery } = await scoresReport(joined, { title: "x", folder: root });
    assert.equal(gallery, undefined);
  });

  it("folders of eval, with a metric that one of them lacks named as not run", async () => {
    const one = await measured("base");
    const two = await measured("tuned");
    const extra = { name: "CLIPScore", kind: "number", better: "higher", of: "image", weights: "clip" } as const;
    const images = two.variants[0].images.map((image) => ({
      ...image,
      scores: { ...image.scores, CLIPScore: 20 },
    }));
    await writeScores(join(root, "run-a"), one);
    await writeScores(join(root, "run-b"), {
      ...two,
      metrics: [...two.metrics, extra],
      variants: [{ name: "tuned", images }],
    });
    const joined = await joinRuns(await Promise.all(["run-a", "run-b"].map((name) => readRun(join(root, name)))), root);
    assert.deepEqual(
      joined.variants.map(({ name }) => name),
      ["run-a", "run-b"],
    );
    assert.deepEqual(
      joined.metrics.map(({ name }) => name),
      ["accuracy"],
    );
    assert.deepEqual(joined.notRun, [{ name: "CLIPScore", reason: "run-a has no scores of it" }]);
    assert.equal(compareScores(joined).length, 1);
    // Of a run with several variants each has the run's name in front.
    await writeScores(join(root, "both"), await measured("base", "tuned"));
    const three = await joinRuns(await Promise.all(["both", "run-a"].map((name) => readRun(join(root, name)))), root);
    assert.deepEqual(
      three.variants.map(({ name }) => name),
      ["both/base", "both/tuned", "run-a"],
    );
    assert.equal(compareScores(three)[0].rows[0].contrasts.length, 2);
  });

  it("embed images below the run's own folder alone", async () => {
    const scores = await measured("base", "tuned");
    const image = join(root, "base", "outside.png");
    await copyFile(join(root, scores.variants[0].images[0].file ?? ""), image);
    const named = async (file: string) => {
      const folder = join(root, "planted");
      await mkdir(join(folder, "images"), { recursive: true });
      const variants = scores.variants.map((variant) => ({
        ...variant,
        images: variant.images.map((one) => ({ ...one, file })),
      }));
      await writeScores(folder, { ...scores, variants });
      const joined = await joinRuns([await readRun(folder)], root);
      return (await scoresReport(joined, { title: "x", folder: root })).gallery !== undefined;
    };
    assert.equal(await named("../base/outside.png"), false);
    assert.equal(await named(image), false);
    await symlink(image, join(root, "planted", "images", "link.png"));
    assert.equal(await named("images/link.png"), false);
    await copyFile(image, join(root, "planted", "images", "own.png"));
    assert.equal(await named("images/own.png"), true);
    assert.equal(await named(join(root, "planted", "images", "own.png")), true);
  });

  it("refuses what is no result", async () => {
    const file = join(root, "bad.jsonl");
    await writeFile(file, '{"filename":"a.png"}\n');
    await refuses(() => readGenEval(file), /bad\.jsonl line 1 is no result of GenEval: "tag"/);
    await writeFile(file, "{\n");
    await refuses(() => readGenEval(file), /bad\.jsonl line 1: broken JSON/);
    await writeFile(file, "\n");
    await refuses(() => readGenEval(file), /holds no result/);
    await copyFile(join(root, "base", "metadata.jsonl"), file);
    await refuses(() => readGenEval(file), /"filename"/);
  });
});
