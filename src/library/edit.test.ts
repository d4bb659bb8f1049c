import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import sharp, { type Sharp } from "sharp";
import { readRgb } from "../editing/read-image.js";
import { flowEdit, masaCtrl, plugAndPlay, sdEdit } from "../exports/editing.js";
import { InputError, InterruptedError, type Model, open, UsageError } from "../index.js";
import { smallTokens } from "../testing/cli/support.js";
import { pipelineFolder } from "../testing/pipelines/support.js";
import { fixture, temporaryFolder } from "../testing/weights/support.js";
import type { EditOptions } from "./edit.js";

const machine = { engine: "onnxruntime", provider: "cpu", threads: 1, maxSequenceLength: 24 } as const;
const models = { sd15: await open(pipelineFolder("sd15"), machine), sd3: await open(pipelineFolder("sd3"), machine) };
after(async () => {
  for (const model of Object.values(models)) await model.close();
});
const path = temporaryFolder();
const source = fixture("parity", "edit-sd3", "source.png");
const texts = { source: "a red cube", target: "a green cube" };
const quick = flowEdit({ steps: 3, nMax: 2 });

/** Writes an image of random bytes with `channels` channels. */
async function writeImage(name: string, width: number, height: number, change = (image: Sharp) => image) {
  const bytes = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 2654435761) >>> 24);
  const file = path(name);
  await change(sharp(bytes, { raw: { width, height, channels: 3 } })).toFile(file);
  return file;
}

/** Writes a mask whose left `share` is white. */
async function writeMask(name: string, width: number, height: number, share = 0.5) {
  const bytes = Uint8Array.from({ length: width * height }, (_, i) => (i % width < share * width ? 255 : 0));
  await sharp(bytes, { raw: { width, height, channels: 1 } })
    .png()
    .toFile(path(name));
  return path(name);
}

async function refuses(model: Model, options: Partial<EditOptions> | (() => Partial<EditOptions>), message: RegExp) {
  await assert.rejects(
    async () => model.edit(source, { target: "b", ...(typeof options === "function" ? options() : options) }),
    (error: Error) => {
      assert.ok(error instanceof UsageError || error instanceof InputError, error.stack);
      assert.match(error.message, message);
      return true;
    },
  );
}

describe("Model.edit", () => {
  it("edits an image, and records how", async () => {
    const edited = await models.sd3.edit(source, { ...texts, method: quick, seed: 3 });
    assert.deepEqual([edited.width, edited.height, edited.prompt, edited.seed], [64, 64, texts.target, 3]);
    const { method, nMax, targetGuidance, stepsRun, image } = edited.settings;
    assert.deepEqual([method, nMax, targetGuidance, stepsRun, image], ["flowedit", 2, 13.5, 2, "source.png"]);
    const again = await models.sd3.edit(source, { ...texts, method: quick, seed: 3 });
    assert.deepEqual(await again.png(), await edited.png());
    const other = await models.sd3.edit(source, { ...texts, method: quick, seed: 4 });
    assert.notDeepEqual(other.pixels, edited.pixels);
  });
  it("uses the soft tokens, and their presets", async () => {
    const options = { ...texts, method: quick, seed: 3 };
    const plain = await models.sd3.edit(source, options);
    const tuned = await models.sd3.edit(source, { ...options, tokens: smallTokens() });
    assert.equal(tuned.settings.targetGuidance, 9);
    assert.notDeepEqual(tuned.pixels, plain.pixels);
    const none = await models.sd3.edit(source, { ...options, tokens: smallTokens(), strength: 0 });
    assert.deepEqual(none.pixels, plain.pixels);
  });
  it("edits generated images as it does their files", async () => {
    const [image] = await models.sd3.generate("a", { steps: 1, seed: 1 });
    await image.save(path("generated.png"));
    const options = { ...texts, method: quick, seed: 3 };
    const [direct, read] = [
      await models.sd3.edit(image, options),
      await models.sd3.edit(path("generated.png"), options),
    ];
    assert.deepEqual(direct.pixels, read.pixels);
  });
  it("chooses the method by the model and the mask", async () => {
    const mask = await writeMask("chosen.png", 64, 64);
    const flow = await models.sd3.edit(source, { ...texts, seed: 1 });
    assert.equal(flow.settings.method, "flowedit");
    await refuses(models.sd3, {}, /^flowedit needs `source`/);
    const edited = await models.sd15.edit(source, { target: "b", mask, seed: 1 });
    assert.equal(edited.settings.method, "inpaint");
    await refuses(
      models.sd15,
      { source: "a" },
      /^sdedit does not use `source`; these methods do: flowedit, flowalign, masactrl$/,
    );
  });
  it("compiles nothing for a second edit of the same size", async (t) => {
    await models.sd3.edit(source, { ...texts, method: quick, seed: 3 });
    const compile = t.mock.method(models.sd3.pipeline.engine, "compile");
    await models.sd3.edit(source, { ...texts, method: quick, seed: 4 });
    assert.equal(compile.mock.callCount(), 0);
  });
  it("reports progress in denoiser runs, and stops before the next one", async () => {
    const seen: (readonly [number, number])[] = [];
    const controller = new AbortController();
    const onProgress = (done: number, total: number) => {
      seen.push([done, total]);
      if (done === 2) controller.abort();
    };
    const method = flowEdit({ steps: 4, nMax: 3, averages: 2, nMin: 1 });
    await assert.rejects(
      models.sd3.edit(source, { ...texts, method, onProgress, signal: controller.signal }),
      InterruptedError,
    );
    assert.deepEqual(seen, [
      [0, 5],
      [1, 5],
      [2, 5],
    ]);
    seen.length = 0;
    await models.sd3.edit(source, { ...texts, method, onProgress: (...counts) => seen.push(counts) });
    assert.deepEqual(seen.at(-1), [5, 5]);
  });
});

describe("sizes of edited images", () => {
  const editAt = async (file: string, options: Partial<EditOptions> = {}) => {
    const notices: string[] = [];
    const onNotice = (text: string) => notices.push(text);
    const edited = await models.sd3.edit(file, { ...texts, method: quick, seed: 1, onNotice, ...options });
    return { size: [edited.width, edited.height], notices };
  };
  it("keeps the image's own size, and reports the size of the edit", async () => {
    assert.deepEqual(await editAt(source), { size: [64, 64], notices: [] });
    const odd = await writeImage("odd.png", 75, 51);
    assert.deepEqual(await editAt(odd), { size: [75, 51], notices: ["the image, 75x51, is edited at 72x48"] });
  });
  it("crops or stretches to a size", async () => {
    const wide = await writeImage("wide.png", 100, 50);
    const notices = ["the image, 100x50, is cropped to 50x50", "the image, 50x50, is edited at 64x64"];
    assert.deepEqual(await editAt(wide, { resize: "crop" }), { size: [64, 64], notices });
    assert.deepEqual((await editAt(wide, { resize: "stretch" })).size, [100, 50]);
    assert.deepEqual((await editAt(wide, { resize: "stretch", width: 48, height: 32 })).size, [48, 32]);
    await refuses(models.sd3, { ...texts, width: 33, height: 32 }, /`width` 33 does not fit/);
    await refuses(models.sd3, { ...texts, width: 32 }, /`width` and `height` belong together/);
  });
  it("turns photos upright", async () => {
    const turned = await writeImage("turned.jpg", 48, 32, (image) => image.withMetadata({ orientation: 6 }).jpeg());
    assert.deepEqual((await editAt(turned)).size, [32, 48]);
  });
});

describe("masks of edits", () => {
  const inside = { method: sdEdit({ steps: 3 }), target: "b", seed: 1 };
  it("keep the bytes outside, and change the inside", async () => {
    for (const size of [64, 50]) {
      const image = await writeImage(`kept-${size}.png`, size, size);
      const mask = await writeMask(`mask-${size}.png`, size, size);
      const edited = await models.sd15.edit(image, { ...inside, mask, feather: 3 });
      await edited.save(path("edited.png"));
      const [before, after] = [await readRgb(image), await readRgb(path("edited.png"))];
      const half = (all: Float32Array, left: boolean) => all.filter((_, i) => i % size < size / 2 === left);
      assert.deepEqual(half(after.pixels.data, false), half(before.pixels.data, false));
      assert.notDeepEqual(half(after.pixels.data, true), half(before.pixels.data, true));
      const all = await models.sd15.edit(image, { ...inside, mask, paste: false });
      assert.notDeepEqual(half(all.pixels.data, false), half(before.pixels.data, false));
    }
  });
  it("of another size, empty, too thin or full are used and reported", async () => {
    const notices: string[] = [];
    const editWith = (mask: string) =>
      models.sd15.edit(source, { ...inside, mask, onNotice: (text) => notices.push(text) });
    await editWith(await writeMask("small.png", 32, 16));
    const edited = await editWith(await writeMask("empty.png", 64, 64, 0));
    const { pixels } = await readRgb(source);
    assert.deepEqual(edited.pixels.data, pixels.data);
    const column = Uint8Array.from({ length: 64 * 64 }, (_, i) => (i % 64 === 1 ? 255 : 0));
    const thin = path("thin.png");
    await sharp(column, { raw: { width: 64, height: 64, channels: 1 } })
      .png()
      .toFile(thin);
    await editWith(thin);
    await editWith(await writeMask("full.png", 64, 64, 1));
    assert.deepEqual(
      notices.map((notice) => notice.replace(/:.*/, "")),
      [
        "the mask, 32x16, is resized to the image's 64x64",
        "the mask is empty",
        "the mask is too thin for any pixel of the latents, so nothing changes",
        "the mask is full",
      ],
    );
  });
  it("can be the image's alpha channel, which is rejected otherwise", async () => {
    const file = path("alpha.png");
    const rgba = Uint8Array.from({ length: 4 * 64 * 64 }, (_, i) => (i % 4 === 3 && (i >> 2) % 64 < 32 ? 0 : 200));
    for (let i = 3; i < rgba.length; i += 4) if (rgba[i] === 200) rgba[i] = 255;
    await sharp(rgba, { raw: { width: 64, height: 64, channels: 4 } })
      .png()
      .toFile(file);
    const edited = await models.sd15.edit(file, { ...inside, mask: "alpha" });
    const kept = edited.pixels.data.filter((_, i) => i % 64 >= 32);
    assert.ok(kept.every((value) => value === Math.fround(200 / 127.5 - 1)));
    await assert.rejects(models.sd15.edit(file, inside), /has transparent pixels: flatten it, or .*`mask` alpha/);
    await refuses(models.sd15, { mask: "alpha" }, /has no transparent pixels/);
  });
});

describe("what Model.edit rejects", () => {
  it("options that contradict each other", async () => {
    await refuses(
      models.sd3,
      () => ({ ...texts, method: flowEdit({ steps: 10, nMax: 11 }) }),
      /`nMax` 11 is above the 10 steps/,
    );
    await refuses(
      models.sd3,
      () => ({ ...texts, method: flowEdit({ nMax: 4, nMin: 4 }) }),
      /`nMin` 4 must be below `nMax`/,
    );
    await refuses(models.sd3, () => ({ ...texts, method: flowEdit({ nMax: 1.5 }) }), /`nMax` must be/);
    await refuses(
      models.sd15,
      () => ({ method: plugAndPlay({ steps: 50, inversionSteps: 60 }) }),
      /`inversionSteps` 60 lacks timesteps of the 50 sampling steps, such as \d+, \d+/,
    );
    await refuses(models.sd15, { feather: 2 }, /`feather` needs a `mask`/);
    await refuses(models.sd15, { maskGrow: 2 }, /`maskGrow` needs a `mask`/);
    await refuses(models.sd15, { method: "inpaint" }, /inpaint needs a `mask`/);
    await refuses(models.sd15, { target: " " }, /`target` is empty/);
    await refuses(models.sd15, { strength: 2 }, /`strength` must be between 0 and 1/);
  });
  it("options that the method does not use, naming the methods that do", async () => {
    const wrong = { nMax: 3 } as Parameters<typeof sdEdit>[0];
    await refuses(
      models.sd15,
      () => ({ method: sdEdit(wrong) }),
      /^sdedit does not use `nMax`; these methods do: flowedit, flowalign$/,
    );
    await refuses(
      models.sd3,
      { ...texts, method: "flowalign", negativePrompt: "" },
      /flowalign does not use `negativePrompt`/,
    );
  });
  it("methods that the family does not offer", async () => {
    await refuses(models.sd3, () => ({ method: plugAndPlay() }), /`method` pnp is not offered for sd3, only for sd15/);
    await refuses(models.sd3, () => ({ method: masaCtrl() }), /`method` masactrl is not offered for sd3/);
    await refuses(
      models.sd15,
      { ...texts, method: "flowalign" },
      /`method` flowalign is not offered for sd15, only for sd3/,
    );
  });
  it("images and masks that cannot be read", async () => {
    await assert.rejects(models.sd15.edit(join(path("none"), "x.png"), { target: "b" }), InputError);
    await refuses(models.sd15, { mask: path("nothing.png") }, /cannot read image .*nothing\.png/);
  });
  it("no steps that run: the image is returned as it is, and that is reported", async () => {
    const notices: string[] = [];
    const method = sdEdit({ steps: 10, imageStrength: 0.05 });
    const edited = await models.sd15.edit(source, { target: "b", method, onNotice: (text) => notices.push(text) });
    const { pixels } = await readRgb(source);
    assert.deepEqual(edited.pixels.data, pixels.data);
    assert.deepEqual(notices, ["no step runs, so the image is unchanged: raise `imageStrength` or `steps`"]);
  });
});
