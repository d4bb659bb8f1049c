/** @file Helpers for tests of data sets: small images, temporary folders, and the contents of a data set. */

import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { TestContext } from "node:test";
import sharp from "sharp";
import { InputError } from "../../core/errors.js";
import type { CaptionedImage } from "../../data/captioned-image.js";
import { openDataSet } from "../../data/data-set.js";
import type { Fault } from "../../data/finding.js";

/** Path of a shard written by another library. */
export function shard(name: string): string {
  return resolve("test", "fixtures", "data", name);
}

/** An encoded image of one colour. */
export function pixels(format: "png" | "jpeg" | "webp", size = 2, red = 0x33): Promise<Buffer> {
  const background = { r: red, g: 0x66, b: 0x99 };
  return sharp({ create: { width: size, height: size, channels: 3, background } })
    .toFormat(format)
    .toBuffer();
}

/** Creates a temporary folder of files: `true` is a small image in the format of its name, anything else the content. */
export async function folderOf(t: TestContext, files: Readonly<Record<string, string | Uint8Array | true>>) {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "softrepa-data-")));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    const format = name.endsWith(".webp") ? "webp" : /\.jpe?g$/i.test(name) ? "jpeg" : "png";
    await writeFile(join(folder, name), content === true ? await pixels(format) : content);
  }
  return folder;
}

/** Ids without the path, and captions, of a data set without faults. */
export async function contents(path: string, base = path): Promise<[string, ...string[]][]> {
  const { items } = await openDataSet(path);
  return items.map(({ id, captions }) => [id.slice(base.length + 1), ...captions]);
}

/** Opens a data set and collects its faults. */
export async function openLeniently(path: string): Promise<{ items: readonly CaptionedImage[]; faults: Fault[] }> {
  const faults: Fault[] = [];
  const { items } = await openDataSet(path, (fault) => faults.push(fault));
  return { items, faults };
}

/** Red value of the first pixel of each image. */
export function reds(items: readonly CaptionedImage[]): Promise<number[]> {
  return Promise.all(
    items.map(
      async ({ read }) =>
        (
          await sharp(await read())
            .raw()
            .toBuffer()
        )[0] ?? -1,
    ),
  );
}

/** Asserts that an error is an InputError in one line that matches `message`. */
export function inputError(message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}
