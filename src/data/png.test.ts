import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import fc from "fast-check";
import sharp from "sharp";
import { InputError } from "../core/errors.js";
import { floatTensor } from "../core/tensor.js";
import { encodePng, readPngText, savePng } from "./png.js";
import { insertPngText, pngText } from "./png-text.js";

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "softrepa-png-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const grey = floatTensor([3, 2, 3]);

test("writes an image and its text that sharp reads back", async (t) => {
  const file = join(await temporaryFolder(t), "new", "a.png");
  const image = floatTensor([3, 1, 2], Float32Array.of(-1, 1, 0.5, -0.5, 3, -7));
  const text = { parameters: "a cat\nSteps: 28", softrepa: '{"prompt":"a café — 猫"}' };
  await savePng(file, image, text);
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height, info.channels], [2, 1, 3]);
  // (x/2 + 0.5) * 255: 0.5 -> 191.25, -0.5 -> 63.75
  assert.deepEqual([...data], [0, 191, 255, 255, 64, 0]);
  const { comments } = await sharp(file).metadata();
  assert.deepEqual(comments?.map(({ keyword }) => keyword).sort(), ["parameters", "softrepa"]);
  assert.equal(comments?.find(({ keyword }) => keyword === "softrepa")?.text, text.softrepa);
  assert.deepEqual(await readPngText(file), text);
  assert.deepEqual(await readdir(join(file, "..")), ["a.png"]);
});

test("rounds halves to even, as numpy's round", async () => {
  // 0 -> 127.5 -> 128; the float32 nearest to 2 * 126.5 / 255 - 1 gives 126.5 exactly -> 126
  const image = floatTensor([3, 1, 1], Float32Array.of(0, Math.fround((2 * 126.5) / 255 - 1), -0.99));
  const [a, b, c] = await sharp(await encodePng(image, {}))
    .raw()
    .toBuffer();
  assert.deepEqual([a, b, c], [128, 126, 1]);
});

test("writes the same chunks as Pillow 13, byte for byte", async () => {
  const png = Buffer.from(await encodePng(grey, { parameters: "a cat", softrepa: "猫" })).toString("hex");
  assert.ok(png.includes("0000001074455874706172616d6574657273006120636174bddef920"));
  assert.ok(png.includes("0000001069545874736f6674726570610000000000e78cab3bfa3a18"));
});

test("writes Latin-1 to tEXt and other text to iTXt, before the pixels", async () => {
  const png = Buffer.from(await encodePng(grey, { parameters: "café ÿ\n2", softrepa: "猫" })).toString("latin1");
  const [first, second, pixels] = ["tEXtparameters\0", "iTXtsoftrepa\0", "IDAT"].map((mark) => png.indexOf(mark));
  assert.ok(first && second && pixels && first < second && second < pixels);
});

test("reads any text back unchanged", async () => {
  const png = await encodePng(grey, {});
  const text = fc.string({ unit: "binary" }).filter((value) => !value.includes("\0"));
  fc.assert(
    fc.property(text, text, (parameters, softrepa) => {
      assert.deepEqual(pngText(insertPngText(png, { parameters, softrepa }), "x"), { parameters, softrepa });
    }),
  );
});

test("reads compressed text of other programs", async () => {
  const png = Buffer.from(await encodePng(grey, {}));
  const zipped = deflateSync("squeezed");
  const added = Buffer.concat([
    chunk("zTXt", Buffer.concat([Buffer.from("a\0\0"), zipped])),
    chunk("iTXt", Buffer.concat([Buffer.from("b\0\x01\0en\0titre\0"), zipped])),
  ]);
  const bytes = Buffer.concat([png.subarray(0, 33), added, png.subarray(33)]);
  assert.deepEqual(pngText(bytes, "x"), { a: "squeezed", b: "squeezed" });
});

test("rejects damaged files in one line", async (t) => {
  const folder = await temporaryFolder(t);
  const png = Buffer.from(await encodePng(grey, { parameters: "a cat" }));
  const flipped = Buffer.from(png);
  flipped[png.indexOf("a cat")] = 0x62;
  const bomb = chunk("zTXt", Buffer.concat([Buffer.from("a\0\0"), deflateSync(Buffer.alloc(17 * 2 ** 20))]));
  const noZero = chunk("tEXt", Buffer.from("parameters"));
  const cases: [Buffer, RegExp][] = [
    [Buffer.from("GIF89a"), /x\.png is not a PNG$/],
    [png.subarray(0, png.length - 20), /x\.png is truncated$/],
    [flipped, /x\.png: checksum of a tEXt chunk is wrong$/],
    [Buffer.concat([png.subarray(0, 33), bomb, png.subarray(33)]), /x\.png: damaged zTXt chunk/],
    [
      Buffer.concat([png.subarray(0, 33), noZero, png.subarray(33)]),
      /x\.png: damaged tEXt chunk \(a NUL is missing\)$/,
    ],
  ];
  for (const [bytes, message] of cases) {
    await writeFile(join(folder, "x.png"), bytes);
    await assert.rejects(readPngText(join(folder, "x.png")), message);
  }
  await assert.rejects(readPngText(join(folder, "no.png")), /cannot read image .*no\.png: ENOENT/);
});

test("reads or rejects any bytes", async () => {
  const png = await encodePng(grey, { parameters: "a cat", softrepa: "猫" });
  const readOrRefuse = (bytes: Uint8Array): void => {
    try {
      pngText(bytes, "x");
    } catch (error) {
      assert.ok(error instanceof InputError, String(error));
    }
  };
  fc.assert(
    fc.property(fc.nat(png.length - 1), fc.uint8Array({ maxLength: 40 }), (start, noise) => {
      const damaged = Uint8Array.from(png);
      damaged.set(noise.subarray(0, png.length - start), start);
      readOrRefuse(damaged);
      readOrRefuse(png.subarray(0, start));
      for (const type of ["tEXt", "zTXt", "iTXt"]) {
        readOrRefuse(Buffer.concat([png.subarray(0, 33), chunk(type, Buffer.from(noise)), png.subarray(33)]));
      }
    }),
  );
});

test("does not write invalid images", async (t) => {
  const file = join(await temporaryFolder(t), "a.png");
  await savePng(file, grey, {});
  const before = await readFile(file);
  const broken = floatTensor([3, 1, 1], Float32Array.of(0, Number.NaN, 0));
  await assert.rejects(savePng(file, broken, {}), /RuntimeFailure: the image contains NaN/);
  await assert.rejects(savePng(file, floatTensor([1, 2, 3]), {}), /must have shape \[3,H,W\], not \[1,2,3\]/);
  await assert.rejects(savePng(file, grey, { "": "x" }), /is not a valid keyword/);
  await assert.rejects(savePng(file, grey, { parameters: "a\0b" }), /contains a NUL character/);
  assert.deepEqual(await readFile(file), before);
});

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
