/** @file Data sets of every format, and ways to damage them, each of which must be reported. */

import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { pixels, shard } from "./data-folders.js";
import { tarOf } from "./tar.js";

/** Files of a data set by path, and the path to open. */
export interface Plan {
  readonly files: Map<string, Uint8Array>;
  readonly links: Map<string, string>;
  readonly pipes: Set<string>;
  open: string;
}

export interface DamagedSet {
  readonly name: string;
  readonly damage: (plan: Plan) => void;
  readonly base: () => Promise<Plan>;
}

/** Writes a damaged data set to the empty `folder`; returns the path to open. */
export async function writeDamaged({ base, damage }: DamagedSet, folder: string): Promise<string> {
  const plan = await base();
  damage(plan);
  for (const [name, bytes] of plan.files) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  for (const [name, target] of plan.links) {
    await rm(join(folder, name), { force: true });
    await symlink(target, join(folder, name));
  }
  for (const name of plan.pipes) {
    await rm(join(folder, name), { force: true });
    execFileSync("mkfifo", [join(folder, name)]);
  }
  return join(folder, plan.open);
}

const captions = ["a cat on a mat", "a dog in the rain", "two birds", "a red house"];
const formats = ["png", "jpeg", "webp"] as const;
const extensions = { png: "png", jpeg: "jpg", webp: "webp" } as const;

/** Four images in three formats: 0.png, 1.jpg, 2.webp and 3.png. */
async function images(): Promise<{ readonly name: string; readonly bytes: Uint8Array }[]> {
  return Promise.all(
    captions.map(async (_, i) => {
      const format = formats[i % formats.length];
      return { name: `${i}.${extensions[format]}`, bytes: await pixels(format, 24, 60 * i) };
    }),
  );
}

function planOf(files: readonly (readonly [string, Uint8Array | string])[]): Plan {
  const entries = files.map(([name, content]) => [name, Buffer.from(content)] as const);
  return { files: new Map(entries), links: new Map(), pipes: new Set(), open: "." };
}

export const bases = {
  sidecar: async () =>
    planOf(
      (await images()).flatMap(
        ({ name, bytes }, i) =>
          [
            [name, bytes],
            [`${i}.txt`, captions[i]],
          ] as const,
      ),
    ),
  metadata: async () => {
    const all = await images();
    const lines = all.map(({ name }, i) => JSON.stringify({ file_name: name, text: captions[i] }));
    return planOf([["metadata.jsonl", lines.join("\n")], ...all.map(({ name, bytes }) => [name, bytes] as const)]);
  },
  coco: async () => {
    const all = await images();
    const json = {
      images: all.map(({ name }, id) => ({ id, file_name: name })),
      annotations: captions.map((caption, id) => ({ id, image_id: id, caption })),
    };
    return planOf([
      ["annotations/captions_train2017.json", JSON.stringify(json)],
      ...all.map(({ name, bytes }) => [`train2017/${name}`, bytes] as const),
    ]);
  },
  tar: async () => {
    const members = (await images()).flatMap(({ name, bytes }, i) => [
      { name, data: bytes },
      { name: `${i}.txt`, data: Buffer.from(captions[i]) },
    ]);
    return planOf([["00000.tar", tarOf(members)]]);
  },
  parquet: async () => planOf([["0.parquet", await readFile(shard("datasets.parquet"))]]),
  snappyParquet: async () => planOf([["0.parquet", await readFile(shard("pyarrow.parquet"))]]),
  plainParquet: async () => planOf([["0.parquet", await readFile(shard("pyarrow-plain.parquet"))]]),
} satisfies Readonly<Record<string, () => Promise<Plan>>>;

type Change = (bytes: Buffer) => Uint8Array;

function change(plan: Plan, name: string, to: Change | Uint8Array | string): void {
  const bytes = plan.files.get(name);
  if (bytes === undefined) throw new Error(`no ${name} to damage`);
  plan.files.set(name, typeof to === "function" ? to(Buffer.from(bytes)) : Buffer.from(to));
}

function drop(plan: Plan, names: RegExp): void {
  for (const name of [...plan.files.keys()]) if (names.test(name)) plan.files.delete(name);
}

const cut =
  (share: number): Change =>
  (bytes) =>
    bytes.subarray(0, Math.floor(bytes.length * share));

/** A PNG whose header claims far more pixels than its file has. */
export function bombPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const start = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  const idat = chunk("IDAT", Buffer.from("789c010000ffff00000001", "hex"));
  return Buffer.concat([start, chunk("IHDR", header), idat, chunk("IEND", Buffer.alloc(0))]);
}

function bombJpeg(bytes: Buffer): Buffer {
  // The frame header (SOF0): height and width are five bytes after its marker.
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes.writeUInt16BE(65500, frame + 5);
  bytes.writeUInt16BE(65500, frame + 7);
  return bytes;
}

/** Ways to damage an image: description, file and change. */
const imageDamages: readonly (readonly [string, string, Change])[] = [
  ...["0.png", "1.jpg", "2.webp"].flatMap((name) =>
    [0.1, 0.3, 0.5, 0.7, 0.8].map((share) => [`${name} cut to ${100 * share}%`, name, cut(share)] as const),
  ),
  ["a png of 60000 x 60000", "0.png", () => bombPng(60000, 60000)],
  ["a png of 2 billion x 1", "0.png", () => bombPng(2 ** 31 - 1, 1)],
  ["a png of 0 x 0", "0.png", () => bombPng(0, 0)],
  ["a png without rows", "0.png", () => bombPng(500, 500)],
  ["a jpeg of 65500 x 65500", "1.jpg", bombJpeg],
  ["an empty image", "1.jpg", () => Buffer.alloc(0)],
  ["an image of zeros", "2.webp", (bytes) => Buffer.alloc(bytes.length)],
  ["HTML under an image's name", "1.jpg", () => Buffer.from("<html>not found</html>")],
  ["SVG under an image's name", "0.png", () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
  ["GIF under an image's name", "0.png", () => Buffer.from("GIF89a\x01\0\x01\0\0\0\0;", "latin1")],
  ["a damaged row", "0.png", (bytes) => bytes.fill(0, bytes.length - 30, bytes.length - 20)],
];

const badTexts: readonly (readonly [string, Uint8Array])[] = [
  ["empty", Buffer.alloc(0)],
  ["only spaces", Buffer.from(" \t\r\n \n")],
  ["in Latin-1", Buffer.from("a caf\xe9", "latin1")],
  ["in UTF-16", Buffer.from("\ufeffa cat", "utf16le")],
  ["cut inside a letter", Buffer.from("a café").subarray(0, -1)],
  ["of 10 MB", Buffer.alloc(10 ** 7, "word ")],
  ["of 20000 letters", Buffer.alloc(20_000, "x")],
];

const badNames = [
  "../secret.png",
  "/etc/passwd.png",
  "x/../../secret.png",
  "..\\secret.png",
  "C:\\secret.png",
  "C:secret.png",
  "\\\\server\\share\\secret.png",
  "//server/secret.png",
  "file:///etc/secret.png/..",
  "a\0b.png",
  "a\nb.png",
  "",
  "~/secret.png",
  "nowhere.png",
  "0.png/1.png",
];

/** All damaged data sets, at least two hundred. */
export function damagedSets(): DamagedSet[] {
  const sets: DamagedSet[] = [];
  const add = (base: keyof typeof bases, name: string, damage: (plan: Plan) => void) =>
    sets.push({ name: `${base}: ${name}`, damage, base: bases[base] });

  // Images, in every format that stores them as files.
  for (const [what, name, to] of imageDamages) {
    add("sidecar", what, (plan) => change(plan, name, to));
    add("metadata", what, (plan) => change(plan, name, to));
    add("coco", what, (plan) => change(plan, `train2017/${name}`, to));
    sets.push({
      name: `tar: ${what}`,
      damage: () => {},
      base: async () => {
        const all = (await images()).flatMap((image, i) => [
          { name: image.name, data: image.name === name ? to(Buffer.from(image.bytes)) : image.bytes },
          { name: `${i}.txt`, data: Buffer.from(captions[i]) },
        ]);
        return planOf([["00000.tar", tarOf(all)]]);
      },
    });
  }

  // Captions.
  for (const [what, bytes] of badTexts) {
    add("sidecar", `a caption ${what}`, (plan) => change(plan, "1.txt", bytes));
    add("metadata", `a metadata.jsonl ${what}`, (plan) => change(plan, "metadata.jsonl", bytes));
    add("coco", `a captions file ${what}`, (plan) => change(plan, "annotations/captions_train2017.json", bytes));
    sets.push({
      name: `tar: a caption ${what}`,
      damage: () => {},
      base: async () => {
        const [image] = await images();
        return planOf([
          [
            "0.tar",
            tarOf([
              { name: "0.png", data: image.bytes },
              { name: "0.txt", data: bytes },
            ]),
          ],
        ]);
      },
    });
  }
  const longLine = JSON.stringify({ file_name: "0.png", text: "x".repeat(10 ** 7) });
  add("metadata", "a caption of 10 MB", (plan) =>
    change(plan, "metadata.jsonl", (all) => Buffer.concat([all, Buffer.from(`\n${longLine}`)])),
  );

  // Names.
  for (const name of badNames) {
    const shown = JSON.stringify(name);
    add("metadata", `the file_name ${shown}`, (plan) =>
      change(plan, "metadata.jsonl", (all) =>
        Buffer.concat([all, Buffer.from(`\n${JSON.stringify({ file_name: name, text: "out" })}`)]),
      ),
    );
    add("coco", `the file_name ${shown}`, (plan) =>
      change(plan, "annotations/captions_train2017.json", (all) => {
        const json = JSON.parse(all.toString());
        json.images.push({ id: 99, file_name: name });
        json.annotations.push({ image_id: 99, caption: "out" });
        return Buffer.from(JSON.stringify(json));
      }),
    );
  }
  for (const [what, target] of [
    ["out of the folder", "../secret.png"],
    ["to /etc/passwd", "/etc/passwd"],
    ["to itself", "0.png"],
    ["to nowhere", "gone.png"],
    ["to /dev/zero", "/dev/zero"],
    ["to the folder above", ".."],
  ] as const) {
    add("sidecar", `a link ${what} for an image`, (plan) => plan.links.set("0.png", target));
    add("sidecar", `a link ${what} for a caption`, (plan) => plan.links.set("1.txt", target));
    add("metadata", `a link ${what}`, (plan) => plan.links.set("0.png", target));
    add("coco", `a link ${what}`, (plan) => plan.links.set("train2017/0.png", target));
  }

  // Missing files, and other things in place of files.
  for (const base of ["sidecar", "metadata"] as const) {
    add(base, "an image is missing", (plan) => plan.files.delete("0.png"));
    add(base, "a pipe for an image", (plan) => plan.pipes.add("0.png"));
    add(base, "a folder for an image", (plan) => {
      plan.files.delete("0.png");
      plan.files.set("0.png/0.txt", Buffer.from("inside"));
    });
    add(base, "an image too many", (plan) => plan.files.set("more.png", bombPng(1, 1)));
  }
  add("coco", "an image is missing", (plan) => plan.files.delete("train2017/0.png"));
  add("coco", "a pipe for an image", (plan) => plan.pipes.add("train2017/0.png"));
  add("coco", "all images are missing", (plan) => drop(plan, /^train/));
  add("sidecar", "all captions are missing", (plan) => drop(plan, /txt$/));
  add("sidecar", "nothing at all", (plan) => plan.files.clear());
  add("sidecar", "no folder", (plan) => {
    plan.open = "not-here";
  });
  add("sidecar", "an image in place of a folder", (plan) => {
    plan.open = "0.png";
  });
  add("sidecar", "two kinds of shards", (plan) =>
    plan.files.set("a.tar", Buffer.alloc(9)).set("b.parquet", Buffer.alloc(9)),
  );

  // JSON.
  const broken = [
    "{",
    "[]",
    "null",
    "7",
    '"x"',
    '{"images": 1, "annotations": 2}',
    "[".repeat(10 ** 5),
    '{"a":'.repeat(10 ** 5),
    "\0",
    "{}{}",
  ];
  for (const text of broken) {
    const shown = text.slice(0, 20);
    add("coco", `the JSON ${shown}`, (plan) => change(plan, "annotations/captions_train2017.json", text));
    add("metadata", `the line ${shown}`, (plan) =>
      change(plan, "metadata.jsonl", (all) => Buffer.concat([Buffer.from(`${text}\n`), all])),
    );
  }
  for (const [key, value] of [
    ["image_id", 77],
    ["image_id", null],
    ["caption", 5],
    ["caption", ""],
  ] as const) {
    add("coco", `an annotation with ${key} ${value}`, (plan) =>
      change(plan, "annotations/captions_train2017.json", (all) => {
        const json = JSON.parse(all.toString());
        json.annotations[0][key] = value;
        return Buffer.from(JSON.stringify(json));
      }),
    );
  }

  // Tar.
  for (const share of [0, 0.05, 0.15, 0.35, 0.5, 0.6])
    add("tar", `cut to ${100 * share}%`, (plan) => change(plan, "00000.tar", cut(share)));
  for (const [what, at, to] of [
    ["name", 3, 0x41],
    ["size", 130, 0x37],
    ["size's digits", 128, 0x7a],
    ["checksum", 150, 0x31],
    ["type", 156, 0x53],
  ] as const) {
    add("tar", `a header with a damaged ${what}`, (plan) =>
      change(plan, "00000.tar", (bytes) => bytes.fill(to, at, at + 1)),
    );
  }
  add("tar", "compressed", (plan) => {
    plan.files.set("00000.tar.gz", plan.files.get("00000.tar") ?? Buffer.alloc(0));
    plan.files.delete("00000.tar");
  });
  add("tar", "text under its name", (plan) => change(plan, "00000.tar", "hello ".repeat(1000)));
  add("tar", "zeros", (plan) => change(plan, "00000.tar", Buffer.alloc(5000)));

  // Parquet.
  for (const base of ["parquet", "snappyParquet", "plainParquet"] as const) {
    const file = (what: string, to: Change) => add(base, what, (plan) => change(plan, "0.parquet", to));
    for (const share of [0, 0.01, 0.2, 0.5, 0.9, 0.99]) file(`cut to ${100 * share}%`, cut(share));
    file("without its beginning", (bytes) => bytes.subarray(100));
    file("a footer that is too long", (bytes) => bytes.fill(0x7f, bytes.length - 8, bytes.length - 4));
    file("a footer of no byte", (bytes) => bytes.fill(0, bytes.length - 8, bytes.length - 4));
    file("a footer of zeros", (bytes) =>
      bytes.fill(0, bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8), bytes.length - 8),
    );
    file("a footer of ones", (bytes) => bytes.fill(0xff, bytes.length - 200, bytes.length - 8));
    file("pages of zeros", (bytes) => bytes.fill(0, 4, 300));
    file("pages of ones", (bytes) => bytes.fill(0xff, 4, 300));
    file("a page header that does not end", (bytes) => bytes.fill(0x1c, 4, 300));
    file("encrypted", (bytes) => bytes.fill("PARE", bytes.length - 4));
  }
  return sets;
}
