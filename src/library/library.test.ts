import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { InputError, type Model, open, SoftTokens, UsageError } from "../index.js";
import { smallTokens } from "../testing/cli/support.js";
import { writeTestImages } from "../testing/data/test-images.js";
import { pipelineFolder } from "../testing/pipelines/support.js";

const machine = { engine: "onnxruntime", provider: "cpu", threads: 1 } as const;
const quick = { steps: 2, width: 32, height: 32 };

describe("the library", () => {
  let model: Model;
  let folder: string;
  let tokens: SoftTokens;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "softrepa-library-"));
    model = await open(pipelineFolder("sd3"), { ...machine, maxSequenceLength: 24 });
    await SoftTokens.write(join(folder, "tokens.safetensors"), smallTokens());
    tokens = await SoftTokens.read(join(folder, "tokens.safetensors"));
    await writeTestImages(join(folder, "data"));
  });
  after(async () => {
    await model.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("generates images with their settings, awaited or iterated", async () => {
    const [image, second] = await model.generate("two cats", { ...quick, tokens, seed: 7, images: 2 });
    assert.deepEqual([image.seed, second?.seed, image.width, image.height], [7, 8, 32, 32]);
    const file = join(folder, "cats.png");
    await image.save(file);
    assert.ok((await readFile(file)).equals(await image.png()));
    assert.equal(image.settings.tokens, "tokens.safetensors");
    const seen: Uint8Array[] = [];
    for await (const one of model.generate(["two cats"], { ...quick, tokens, seed: 7 })) seen.push(await one.png());
    assert.equal(seen.length, 1);
    assert.ok(Buffer.from(await image.png()).equals(seen[0] ?? new Uint8Array()));
    const [plain] = await model.generate("two cats", { ...quick, seed: 7 });
    assert.notDeepEqual(plain.pixels, image.pixels);
  });

  it("reuses compiled graphs and prompt embeds in a second call of the same size", async (t) => {
    await model.generate(["a", "b"], { ...quick, seed: 1 });
    const compile = t.mock.method(model.pipeline.engine, "compile");
    const encode = t.mock.method(model.pipeline, "encodePrompts");
    await model.generate(["b", "a"], { ...quick, seed: 2 });
    assert.equal(encode.mock.callCount(), 0);
    await model.generate("c", { ...quick, seed: 2 });
    assert.equal(encode.mock.callCount(), 1);
    assert.equal(compile.mock.callCount(), 0);
    await model.generate("a", { ...quick, width: 48, seed: 2 });
    assert.ok(compile.mock.callCount() > 0);
  });

  it("supports concurrent calls and calls that are ended early", async () => {
    const all = await Promise.all([32, 48, 64].map((width) => model.generate("a", { ...quick, width, seed: 3 })));
    assert.deepEqual(
      all.map(([image]) => image.width),
      [32, 48, 64],
    );
    for await (const image of model.generate(["a", "b"], { ...quick, seed: 3 })) {
      assert.deepEqual(image.pixels, all[0]?.[0].pixels);
      break;
    }
  });

  it("scores images and captions", async () => {
    const images = ["red-circle.png", "blue-square.png"].map((name) => join(folder, "data", name));
    const captions = ["a red circle", "a blue square"];
    const { errors, rank1 } = await model.score({ images, captions, tokens, timesteps: 2, resolution: 32 });
    assert.deepEqual([errors.length, errors[0]?.length], [2, 2]);
    assert.ok(errors.flat().every((error) => error > 0));
    assert.ok(rank1 !== null && [0, 0.5, 1].includes(rank1));
    const unpaired = await model.score({ images, captions: ["a"], timesteps: [500], resolution: 32 });
    assert.equal(unpaired.rank1, null);
  });

  it("trains in a run folder, and reports events", async () => {
    const out = join(folder, "run");
    const options = { data: [join(folder, "data")], out, resolution: 32, batch: 3, layers: 2, buckets: 10 };
    const run = await model.train({ ...options, steps: 2, holdOut: 3, validateEvery: 1 });
    const types: string[] = [];
    for await (const event of run) types.push(event.type);
    assert.equal(types.at(-1), "finished");
    assert.ok(types.includes("step") && types.includes("validation"));
    const trained = await SoftTokens.read(join(out, "tokens.safetensors"));
    const [image] = await model.generate("a red circle", { ...quick, tokens: trained, seed: 1 });
    assert.equal(image.settings.tokens, "tokens.safetensors");
  });

  it("rejects invalid options by their names", async () => {
    const refuses = async (options: object, message: RegExp) =>
      assert.rejects(
        async () => void (await model.generate("a", { ...quick, ...options })),
        (error: Error) => {
          assert.ok(error instanceof UsageError || error instanceof InputError, error.stack);
          assert.match(error.message, message);
          return true;
        },
      );
    await refuses({ seed: 1.5 }, /`seed` must be an integer/);
    await refuses({ images: 0 }, /`images` must be an integer/);
    await refuses({ strength: 2, tokens }, /`strength` must be between 0 and 1/);
    await refuses({ width: 33 }, /`?width`? 33 does not fit/);
    await refuses({ scheduler: "none" }, /scheduler/);
    await assert.rejects(() => open(join(folder, "nothing"), machine), InputError);
  });

  it("rejects calls after close", async () => {
    let opened: Model;
    {
      await using short = await open(pipelineFolder("sd15"), machine);
      opened = short;
      await short.generate("a", { ...quick, seed: 1 });
    }
    await assert.rejects(async () => void (await opened.generate("a")), /is closed/);
    await opened.close();
  });
});
