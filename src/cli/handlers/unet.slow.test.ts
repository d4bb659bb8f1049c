import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import { parse } from "yaml";
import { readPngText } from "../../data/png.js";
import { readSoftTokens } from "../../softtokens/formats/index.js";
import { events, pixelsOf, refusesTo, scratchFolder, succeeds, writeTestImages } from "../../testing/cli/support.js";
import { captions, pipelineFolder } from "../../testing/pipelines/support.js";

const at = await scratchFolder();
const one = ["--threads", "1"];

for (const [family, width, stages] of [
  ["sd15", 32, "down"],
  ["sdxl", 56, "down,mid"],
] as const) {
  describe(`softrepa with ${family}`, () => {
    const model = ["--model", pipelineFolder(family), ...one];
    const run = at(`run-${family}`);
    const tokens = `${run}/tokens.safetensors`;
    const train = ["train", ...model, "--data", at("data"), "--resolution", "32", "--batch", "3"];
    const image = (name: string) => at(`${family}-${name}.png`);
    const generate = async (name: string, ...more: readonly string[]) => {
      const job = ["--prompt", captions[0], "--seed", "5", "--steps", "3", "--out", image(name)];
      await succeeds("generate", ...model, ...job, ...more);
      return pixelsOf(image(name));
    };
    before(() => writeTestImages(at("data")));

    it("trains with the family's settings", async () => {
      await succeeds(...train, "--steps", "2", "--out", run);
      const config: Record<string, unknown> = parse(await readFile(`${run}/config.yaml`, "utf8"));
      const { layers, tokens: count, buckets, dweight } = config;
      assert.deepEqual([layers, count, buckets, dweight, config.stages], [1, 4, 100, 10, stages.split(",")]);
      const learned = await readSoftTokens(tokens);
      assert.deepEqual(
        [learned.tokens.shape, learned.timeTable?.shape],
        [
          [1, 4, width],
          [100, width],
        ],
      );
      assert.deepEqual([learned.placement, learned.metadata["softrepa.stages"]], ["after-first", stages]);
      await refusesTo(
        [...train, "--layers", "2", "--out", at("no")],
        2,
        /--layers 2 is more than the one that a UNet has/,
      );
    });

    it("scores with tokens and without", async () => {
      const score = ["score", ...model, "--data", at("data"), "--resolution", "32", "--timesteps", "500,"];
      const errors = async (...more: readonly string[]) =>
        (await events(...score, ...more)).at(-1)?.errors as number[][];
      const [plain, soft] = [await errors(), await errors("--tokens", tokens)];
      assert.ok(plain.flat().every((error) => error > 0 && Number.isFinite(error)));
      assert.notDeepEqual(soft, plain);
    });

    it("generates with the scheduler and guidance of the family, or with others", async () => {
      const plain = await generate("plain");
      assert.deepEqual([plain.width, plain.height], [64, 64]);
      const settings: Record<string, unknown> = JSON.parse((await readPngText(image("plain"))).softrepa);
      assert.deepEqual([settings.sampler, settings.guidance, settings.steps], ["DDIM", 7, 3]);
      const soft = await generate("soft", "--tokens", tokens);
      const ancestral = await generate("euler-a", "--tokens", tokens, "--scheduler", "euler-ancestral");
      assert.notDeepEqual(soft.data, plain.data);
      assert.notDeepEqual(ancestral.data, soft.data);
      assert.match((await readPngText(image("euler-a"))).parameters, /Sampler: Euler a, CFG scale: 7,/);
      const odd = await generate("odd", "--width", "44", "--height", "20");
      assert.deepEqual([odd.width, odd.height], [44, 20]);
      const nothing = ["generate", ...model, "--prompt", "x", "--out", at("no.png")];
      await refusesTo([...nothing, "--scheduler", "flow-euler"], 2, /has no scheduler flow-euler: choose one of ddim/);
      await refusesTo([...nothing, "--steps", "1000"], 2, /1000 steps lead to timestep 1000 of 1000: use fewer steps/);
    });

    it("uses tokens in the format of the authors in the given stages", async () => {
      const [official, back] = [at(`official-${family}`), at(`back-${family}.safetensors`)];
      await succeeds("tokens", "convert", tokens, official);
      const soft = await pixelsOf(image("soft"));
      assert.deepEqual((await generate("official", "--tokens", official)).data, soft.data);
      await succeeds("tokens", "convert", official, back, "--stages", "up");
      assert.equal((await readSoftTokens(back)).metadata["softrepa.stages"], "up");
      assert.notDeepEqual((await generate("up", "--tokens", back)).data, soft.data);
      await refusesTo(
        ["tokens", "convert", official, at("x.safetensors"), "--stages", "side"],
        2,
        /--stages must be one/,
      );
    });
  });
}
