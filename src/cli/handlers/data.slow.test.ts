import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import sharp from "sharp";
import { parse } from "yaml";
import { readSoftTokens } from "../../softtokens/formats/index.js";
import {
  events,
  eventsOf,
  model,
  namesIn,
  scratchFolder,
  softrepa,
  succeeds,
  writeTestImages,
} from "../../testing/cli/support.js";
import { shard } from "../../testing/data/data-folders.js";
import { tarOf } from "../../testing/data/tar.js";
import { pipelineFolder } from "../../testing/pipelines/support.js";

const at = await scratchFolder();

/** The images of `writeTestImages` in the layout of the COCO download, with two captions each. */
async function writeCoco(folder: (...path: string[]) => string): Promise<void> {
  const captions = await writeTestImages(folder("drawn"));
  await mkdir(folder("coco", "train2017"), { recursive: true });
  await mkdir(folder("coco", "annotations"), { recursive: true });
  const names = (await namesIn(folder("drawn"))).filter((name) => name.endsWith(".png"));
  const images: { id: number; file_name: string; width: number; height: number }[] = [];
  const annotations: { id: number; image_id: number; caption: string }[] = [];
  for (const [index, name] of names.entries()) {
    const file_name = `${String(index + 1).padStart(12, "0")}.jpg`;
    await sharp(folder("drawn", name))
      .jpeg()
      .toFile(folder("coco", "train2017", file_name));
    images.push({ id: index + 1, file_name, width: 64, height: 64 });
    const text = name.replace(/\.png$/, "").replace("-", " ");
    assert.ok(captions.includes(`a ${text}`));
    for (const caption of [`a ${text}`, `one ${text} on grey`]) {
      annotations.push({ id: annotations.length, image_id: index + 1, caption });
    }
  }
  const json = { info: {}, licenses: [], images, annotations };
  await writeFile(folder("coco", "annotations", "captions_train2017.json"), JSON.stringify(json));
}

const training = [
  ...["train", ...model, "--temperature", "1", "--resolution", "32", "--batch", "3", "--seed", "3"],
  ...["--layers", "2", "--tokens", "2", "--buckets", "10", "--steps", "2", "--save-every", "0", "--log-every", "1"],
];

before(async () => {
  await writeCoco(at);
  const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: "#777" } })
    .png()
    .toBuffer();
  await mkdir(at("bad"));
  const files: Record<string, string | Uint8Array> = {
    "0.png": png,
    "0.txt": "a cat on a mat",
    "1.png": png,
    "1.txt": "A cat on the mat!",
    "2.png": png.subarray(0, -40),
    "2.txt": "a dog",
    "3.png": await readFile(at("drawn", "red-circle.png")),
    "3.txt": `a dog ${"and another dog ".repeat(30)}`,
    "4.png": "<html>",
    "4.txt": "a bird",
    "5.png": png,
    "6.txt": "lost",
    "7.png": await readFile(at("drawn", "blue-square.png")),
    "7.txt": "a cat on a mat",
  };
  for (const [name, content] of Object.entries(files)) await writeFile(at("bad", name), content);
});

describe("softrepa data check", () => {
  it("finds no problems in usable data", async () => {
    const lines = (await succeeds("data", "check", at("drawn"))).trimEnd().split("\n");
    assert.equal(lines[0], `${at("drawn")}: images with metadata.jsonl (metadata.jsonl), 12 images, 12 captions`);
    assert.equal(lines.at(-1), "no problems found");
    const reported = await events("data", "check", at("coco"), "--similarity", "1");
    assert.deepEqual(
      reported.filter(({ event }) => event !== "progress"),
      [
        {
          ...{
            event: "data",
            path: at("coco"),
            format: "COCO captions",
            shape: "COCO captions",
            images: 12,
            captions: 24,
          },
          because: "annotations/captions_train2017.json",
        },
        {
          event: "checked",
          faults: {
            "damaged-file": 0,
            "unreadable-image": 0,
            "missing-image": 0,
            "missing-caption": 0,
            "bad-caption": 0,
          },
          notes: { "over-token-limit": 0, "duplicate-image": 0, "equal-captions": 0, "similar-captions": 0 },
          complete: true,
        },
      ],
    );
  });

  it("lists faults and notes, and exits with 1", async () => {
    const { code, stdout, stderr } = await softrepa(["data", "check", at("bad"), "--json"]);
    assert.equal(code, 1);
    assert.match(stderr, /^softrepa: 4 parts of .*bad cannot be used\n$/);
    const reported = eventsOf(stdout);
    const inFolder = (value: unknown) => String(value).replaceAll(at("bad"), "D");
    assert.deepEqual(
      reported.filter(({ event }) => event === "fault").map(({ kind, where }) => `${kind} ${inFolder(where)}`),
      ["missing-image D/6.txt", "missing-caption D/5.png", "unreadable-image D/4.png", "unreadable-image D/2.png"],
    );
    assert.deepEqual(
      reported.filter(({ event }) => event === "note").map(({ kind, where }) => `${kind} ${inFolder(where)}`),
      [
        "over-token-limit D/3.png",
        "duplicate-image D/0.png,D/1.png",
        "equal-captions D/0.png,D/7.png",
        "similar-captions D/0.png,D/7.png,D/1.png",
      ],
    );
    assert.deepEqual(reported.at(-1)?.event, "error");
  });

  it("prints the same as a table", async () => {
    const { code, stdout, stderr } = await softrepa(["data", "check", at("bad"), "--show", "1"]);
    assert.equal(code, 1);
    const lines = stdout.trimEnd().split("\n");
    const expected = [
      /^.*bad: images with \.txt captions \(7 image files and 7 \.txt files\), 4 images, 4 captions$/,
      /^problem +where and what$/,
      /^unreadable image +.*4\.png is not a png, jpeg or webp image/,
      /^unreadable image +\.\.\. 1 more$/,
      /^missing image +caption file .*6\.txt has no png, jpeg or webp image next to it$/,
      /^missing caption +image .*5\.png has no caption \(a \.txt or \.caption file\)$/,
      /^over the token limit +.*3\.png: "a dog and another dog .*" has at least 94 CLIP tokens; the limit is 77$/,
      /^duplicate images +.*0\.png, .*1\.png: the same image$/,
      /^equal captions +.*0\.png, .*7\.png: "a cat on a mat"$/,
      /^similar captions +.*: "a cat on a mat", "A cat on the mat!"$/,
      /^without --model, only captions that certainly exceed CLIP's 77 tokens are listed$/,
    ];
    assert.equal(lines.length, expected.length, stdout);
    for (const [index, pattern] of expected.entries()) assert.match(lines[index], pattern);
    assert.match(stderr, /softrepa: 4 parts of .* cannot be used\n$/);
  });

  it("counts tokens with the tokenizers of a model", async () => {
    const args = ["--model", pipelineFolder("sd3"), "--max-sequence-length", "300"];
    const { stdout } = await softrepa(["data", "check", at("bad"), ...args, "--json"]);
    const [long] = eventsOf(stdout).filter(({ kind }) => kind === "over-token-limit");
    assert.match(String(long.message), /^"a dog and another dog .*": CLIP reads 77 tokens, truncated: "/);
    const refused = await softrepa(["data", "check", at("drawn"), "--model", at("drawn")]);
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.match(refused.stderr, /is not a diffusers pipeline folder/);
  });

  it("reports paths that are no data sets", async () => {
    for (const path of [at("nowhere"), at("drawn", "red-circle.png"), at("coco", "train2017")]) {
      const { code, stderr, stdout } = await softrepa(["data", "check", path]);
      assert.equal(code, 1, stdout);
      assert.match(stderr, /^softrepa: \d+ parts? of .* cannot be used\n$/);
    }
  });
});

describe("softrepa train on other data set formats", () => {
  const run = (name: string, ...more: string[]) => [...training, "--out", at(name), ...more];

  it("trains on COCO's layout", async () => {
    const reported = await events(...run("run-coco", "--data", at("coco")));
    const [data] = reported.filter(({ event }) => event === "data");
    assert.deepEqual(data, {
      ...{
        event: "data",
        path: at("coco"),
        weight: null,
        format: "COCO captions",
        images: 12,
        skipped: 0,
        shape: "COCO captions",
        left: 0,
      },
      because: "annotations/captions_train2017.json",
    });
    assert.equal(reported.at(-1)?.event, "saved");
    assert.equal(reported.filter(({ event }) => event === "step").length, 2);
  });

  it("trains the same tokens from files, a tar and several shards with the same images and captions", async () => {
    await mkdir(at("tar"));
    const metadata = (await readFile(at("drawn", "metadata.jsonl"), "utf8")).trim().split("\n");
    // The order of the folder: by name.
    const lines = metadata.map((line): { file_name: string; text: string } => JSON.parse(line));
    const sorted = lines.sort((a, b) => (a.file_name < b.file_name ? -1 : 1));
    const members = await Promise.all(
      sorted.map(async ({ file_name, text }) => [
        { name: file_name, data: await readFile(at("drawn", file_name)) },
        { name: file_name.replace(".png", ".txt"), data: Buffer.from(text) },
      ]),
    );
    await writeFile(at("tar", "0.tar"), tarOf(members.slice(0, 5).flat()));
    await writeFile(at("tar", "1.tar"), tarOf(members.slice(5).flat()));
    await succeeds(...run("run-folder", "--data", at("drawn")));
    await succeeds(...run("run-tar", "--data", at("tar")));
    await succeeds(...run("run-shards", "--data", at("tar", "0.tar"), at("tar", "1.tar")));
    const trained = async (name: string) => {
      const { metadata, ...tokens } = await readSoftTokens(at(name, "tokens.safetensors"));
      const { "softrepa.data_hash": data, ...others } = metadata;
      return { tokens, data, others };
    };
    const { data, ...whole } = await trained("run-folder");
    for (const name of ["run-tar", "run-shards"]) {
      const { data: other, ...same } = await trained(name);
      assert.deepEqual(same, whole, name);
      // The hash of the data covers file names.
      assert.notEqual(other, data);
    }
  });

  it("mixes data sets by weight, and crops and flips reproducibly from the seed", async () => {
    const mixed = ["--data", at("drawn"), "--data", `${shard("datasets.parquet")}=0.4`, "--crop", "random", "--flip"];
    await succeeds(...run("run-mixed", ...mixed));
    await succeeds(...run("run-again", ...mixed));
    const tokens = await readFile(at("run-mixed", "tokens.safetensors"));
    assert.deepEqual(await readFile(at("run-again", "tokens.safetensors")), tokens);
    await succeeds(...run("run-center", ...mixed.slice(0, 4)));
    assert.notDeepEqual(await readFile(at("run-center", "tokens.safetensors")), tokens);
    const config = parse(await readFile(at("run-mixed", "config.yaml"), "utf8"));
    assert.deepEqual(config.data, [at("drawn"), { path: shard("datasets.parquet"), weight: 0.4 }]);
    assert.deepEqual([config.crop, config.flip], ["random", true]);
    const { code, stderr } = await softrepa(run("run-over", "--data", at("drawn"), `${at("coco")}=1.5`));
    assert.deepEqual([code, stderr.split("\n").length], [2, 2]);
    assert.match(stderr, /the weights of data sets sum to 1\.5, which leaves nothing/);
  });

  it("rejects unusable parts, or skips them with --skip-unusable", async () => {
    const refused = await softrepa(run("run-bad", "--data", at("bad")));
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.match(
      refused.stderr,
      /^softrepa: caption file .*6\.txt has no .*; 2 more faults \(softrepa data check lists them\)\n$/,
    );
    await copyFile(at("drawn", "green-circle.png"), at("bad", "8.png"));
    await writeFile(at("bad", "8.txt"), "a green circle");
    const reported = await events(...run("run-bad", "--data", at("bad"), "--skip-unusable"));
    const [data] = reported.filter(({ event }) => event === "data");
    assert.deepEqual([data.images, data.skipped, data.left], [5, 4, 4]);
    const warnings = reported.filter(({ event }) => event === "warning").map(({ message }) => String(message));
    assert.equal(warnings.filter((message) => message.startsWith("skipped: ")).length, 4);
    assert.equal(reported.at(-1)?.event, "saved");
  });

  it("scores the images of a shard", async () => {
    const args = ["score", ...model, "--resolution", "32", "--timesteps", "1", "--data", shard("webdataset.tar")];
    const [scores] = (await events(...args)).filter(({ event }) => event === "scores");
    assert.equal((scores.images as string[])[0], `${shard("webdataset.tar")}#sub/00000.jpg`);
    assert.deepEqual((scores.own as number[][])[1], [1, 2]);
  });
});
