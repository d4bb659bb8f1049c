import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { crc32 } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { InputError } from "../core/errors.js";
import { imageFile } from "./captioned-image.js";
import { loadImage, requireDecodable, type View } from "./load-image.js";

async function fileOf(t: TestContext, name: string, bytes: Uint8Array | Sharp): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "softrepa-image-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, name);
  await writeFile(file, bytes instanceof Uint8Array ? bytes : await bytes.toBuffer());
  return file;
}

const raw = (data: Uint8Array, width: number, height: number, channels: 1 | 2 | 3 | 4) =>
  sharp(data, { raw: { width, height, channels } });

const size = (width: number, height: number) => ({ width, height, crop: "center" }) as const;

/** The values of a loaded image as bytes 0..255. */
async function bytesOf(file: string, width: number, height: number): Promise<number[]> {
  const { shape, data } = await loadImage(imageFile(file), size(width, height));
  assert.deepEqual(shape, [3, height, width]);
  return Array.from(data, (value) => Math.round((value + 1) * 127.5));
}

test("returns planar, exact values in [-1,1] without a resize", async (t) => {
  const file = await fileOf(t, "a.png", raw(Uint8Array.of(255, 0, 51, 0, 102, 255), 2, 1, 3).png());
  const { shape, data } = await loadImage(imageFile(file), size(2, 1));
  assert.deepEqual(shape, [3, 1, 2]);
  const expected = [1, -1, -1, -0.2, -0.6, 1];
  for (const [index, value] of expected.entries()) assert.ok(Math.abs((data[index] ?? 9) - value) < 1e-6);
});

test("reads jpeg and webp by content, not by name", async (t) => {
  const blue = () =>
    raw(
      new Uint8Array(16 * 16 * 3).map((_, i) => (i % 3 === 2 ? 200 : 20)),
      16,
      16,
      3,
    );
  const encoded = [blue().jpeg({ quality: 100 }), blue().webp({ lossless: true }), blue().png()];
  for (const image of encoded) {
    const bytes = await bytesOf(await fileOf(t, "a.png", image), 8, 8);
    for (const [index, value] of bytes.entries()) assert.ok(Math.abs(value - (index < 128 ? 20 : 200)) <= 2);
  }
});

test("crops the centre after a resize that covers the size", async (t) => {
  // Columns 0..7 hold 0, 10, .. 70; a 4 x 4 crop keeps columns 2..5.
  const wide = raw(
    Uint8Array.from({ length: 8 * 4 * 3 }, (_, i) => (Math.floor(i / 3) % 8) * 10),
    8,
    4,
    3,
  );
  const cropped = await bytesOf(await fileOf(t, "wide.png", wide.png()), 4, 4);
  assert.deepEqual(cropped.slice(0, 8), [20, 30, 40, 50, 20, 30, 40, 50]);
  // A small image is enlarged to cover the size: 2 x 4 -> 8 x 16, rows 4..11 kept.
  const tall = raw(
    Uint8Array.from({ length: 2 * 4 * 3 }, (_, i) => (i < 12 ? 255 : 0)),
    2,
    4,
    3,
  );
  const enlarged = await bytesOf(await fileOf(t, "tall.png", tall.png()), 8, 8);
  assert.equal(enlarged[0], 255);
  assert.equal(enlarged[63], 0);
});

test("shrinks without aliasing", async (t) => {
  const stripes = raw(
    Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (Math.floor(i / 3) % 2) * 255),
    64,
    64,
    3,
  );
  const middle = (await bytesOf(await fileOf(t, "a.png", stripes.png()), 8, 8)).slice(8 * 4 + 2, 8 * 4 + 6);
  for (const value of middle) assert.ok(Math.abs(value - 127.5) < 3, `${middle}`);
});

test("crops at the given position and flips after the crop", async (t) => {
  // Columns 0..7 hold 0, 10, .. 70.
  const wide = raw(
    Uint8Array.from({ length: 8 * 4 * 3 }, (_, i) => (Math.floor(i / 3) % 8) * 10),
    8,
    4,
    3,
  );
  const image = imageFile(await fileOf(t, "wide.png", wide.png()));
  const row = async (crop: View["crop"], flip: boolean) => {
    const { data } = await loadImage(image, { width: 4, height: 4, crop, flip });
    return Array.from(data.subarray(4, 8), (value) => Math.round((value + 1) * 127.5));
  };
  assert.deepEqual(await row({ x: 0, y: 0.5 }, false), [0, 10, 20, 30]);
  assert.deepEqual(await row({ x: 0.75, y: 0 }, false), [30, 40, 50, 60]);
  assert.deepEqual(await row({ x: 0.999, y: 0 }, false), [40, 50, 60, 70]);
  assert.deepEqual(await row({ x: 0, y: 0.5 }, true), [30, 20, 10, 0]);
  assert.deepEqual(await row("center", true), [50, 40, 30, 20]);
});

test("applies the EXIF orientation before a random crop", async (t) => {
  // 8 wide, 16 high as stored; orientation 6 rotates it by 90 degrees clockwise: 16 wide, its left half the stored bottom.
  const stored = raw(
    Uint8Array.from({ length: 8 * 16 * 3 }, (_, i) => (i < 8 * 8 * 3 ? 255 : 0)),
    8,
    16,
    3,
  );
  const image = imageFile(await fileOf(t, "a.jpg", stored.jpeg({ quality: 100 }).withMetadata({ orientation: 6 })));
  for (const [x, value] of [
    [0, 0],
    [0.99, 255],
  ]) {
    const { data } = await loadImage(image, { width: 8, height: 8, crop: { x, y: 0 } });
    for (const pixel of data) assert.ok(Math.abs((pixel + 1) * 127.5 - value) < 12, `${pixel}`);
  }
});

test("applies the EXIF orientation", async (t) => {
  // Left half white, right half black; orientation 6 = rotate by 90 degrees clockwise, so white ends on top.
  const half = raw(
    Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (Math.floor(i / 3) % 16 < 8 ? 255 : 0)),
    16,
    16,
    3,
  );
  const image = half.jpeg({ quality: 100 }).withMetadata({ orientation: 6 });
  const bytes = await bytesOf(await fileOf(t, "a.jpg", image), 16, 16);
  assert.ok((bytes[0] ?? 0) > 250 && (bytes[15] ?? 0) > 250);
  assert.ok((bytes[15 * 16] ?? 255) < 5 && (bytes[255] ?? 255) < 5);
});

test("composites transparency on white", async (t) => {
  const rgba = Uint8Array.of(255, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 128);
  assert.deepEqual(
    await bytesOf(await fileOf(t, "a.png", raw(rgba, 3, 1, 4).png()), 3, 1),
    [255, 255, 127, 0, 255, 127, 0, 255, 127],
  );
  const greyAlpha = raw(Uint8Array.of(40, 255, 40, 0), 2, 1, 2)
    .toColourspace("b-w")
    .png();
  assert.deepEqual(await bytesOf(await fileOf(t, "b.png", greyAlpha), 2, 1), [40, 255, 40, 255, 40, 255]);
});

test("converts grey and 16-bit images to 8-bit RGB", async (t) => {
  const grey = raw(Uint8Array.of(0, 128, 255), 3, 1, 1)
    .toColourspace("b-w")
    .png();
  assert.deepEqual(await bytesOf(await fileOf(t, "grey.png", grey), 3, 1), [0, 128, 255, 0, 128, 255, 0, 128, 255]);
  assert.deepEqual(await bytesOf(await fileOf(t, "16.png", deepPng(2, [0xffff, 0x8000, 0])), 1, 1), [255, 128, 0]);
  assert.deepEqual(await bytesOf(await fileOf(t, "grey16.png", deepPng(0, [0x8000])), 1, 1), [128, 128, 128]);
});

test("rejects bad images in one line", async (t) => {
  const noise = raw(
    Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 256),
    64,
    64,
    3,
  );
  const png = await noise.clone().png().toBuffer();
  const jpeg = await noise.clone().jpeg().toBuffer();
  const cases: [string, Uint8Array, RegExp][] = [
    ["truncated.png", png.subarray(0, png.length / 2), /^cannot decode image .*truncated\.png: /],
    ["truncated.jpg", jpeg.subarray(0, jpeg.length / 2), /^cannot decode image .*truncated\.jpg: /],
    ["last row.png", png.subarray(0, -60), /^cannot decode image .*last row\.png: /],
    ["last row.jpg", jpeg.subarray(0, -60), /^cannot decode image .*last row\.jpg: /],
    ["text.png", Buffer.from("hello"), /text\.png is not a png, jpeg or webp image/],
    ["vector.png", Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"), /vector\.png is not a png/],
    ["bomb.png", pngOf(8, 2, 60000, 60000, Buffer.of(0)), /^image .*bomb\.png is larger than the limit of 268 million/],
  ];
  for (const [name, bytes, message] of cases) {
    const file = await fileOf(t, name, bytes);
    for (const tried of [() => loadImage(imageFile(file), size(8, 8)), () => requireDecodable(bytes, file)]) {
      await assert.rejects(tried, (error) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    }
  }
  await assert.rejects(
    loadImage(imageFile("/nowhere.png"), size(8, 8)),
    /^InputError: cannot read image \/nowhere\.png: ENOENT/,
  );
});

/** A 16-bit PNG of one pixel (colour type 0 grey, 2 RGB), assembled by hand since sharp's raw input is 8-bit. */
function deepPng(colour: 0 | 2, samples: readonly number[]): Buffer {
  const row = Buffer.alloc(1 + samples.length * 2);
  for (const [index, sample] of samples.entries()) row.writeUInt16BE(sample, 1 + index * 2);
  return pngOf(16, colour, 1, 1, row);
}

function pngOf(depth: number, colour: number, width: number, height: number, rows: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, 0], 8);
  // zlib: a stored block, which needs no compressor
  const stored = Buffer.concat([Buffer.of(0x78, 0x01, 0x01), le16(rows.length), le16(~rows.length & 0xffff), rows]);
  const body = Buffer.concat([stored, adler32(rows)]);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", body),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

function le16(value: number): Buffer {
  return Buffer.of(value & 255, value >> 8);
}

function adler32(data: Buffer): Buffer {
  let [a, b] = [1, 0];
  for (const byte of data) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(((b << 16) | a) >>> 0);
  return sum;
}
