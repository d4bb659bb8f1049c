/** @file Output paths, chosen and checked before a model is loaded, so that no finished work is lost. */

import { access, constants, readdir } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { InputError, messageOf, UsageError } from "../core/errors.js";
import { ifMissing, isFolder, statOrNull } from "../core/missing.js";
import { lockName } from "./folder/run-lock.js";

/** @throws InputError if a run folder cannot be written, or is not empty (unless `force`) */
export async function requireRunFolder(folder: string, force: boolean): Promise<void> {
  await requireWritable(folder);
  // Ignores the lock, which training itself checks.
  const entries = (await readdir(folder).catch(ifMissing<string[]>([]))).filter((name) => !name.startsWith(lockName));
  if (entries.length > 0 && !force) {
    throw new InputError(`run folder ${folder} is not empty; name another one, or overwrite it with \`force\``);
  }
}

/**
 * Names of the files of `count` images. `name.png` is one file, or name-0001.png, name-0002.png ... for several images.
 * Any other name is a folder with image-0001.png ...
 *
 * @throws InputError if a file exists (unless `force`) or the folder cannot be written
 */
export async function planImageFiles(out: string, count: number, force: boolean): Promise<string[]> {
  const files = imageFiles(out, count, await isFolder(out));
  await requireWritable(dirname(files[0] ?? out));
  for (const file of force ? [] : files) {
    if (await exists(file))
      throw new InputError(`${file} exists; name another \`out\`, or overwrite it with \`force\``);
  }
  return files;
}

function imageFiles(out: string, count: number, folder: boolean): string[] {
  const extension = extname(out);
  const numbers = Array.from({ length: count }, (_, index) => String(index + 1).padStart(4, "0"));
  if (!folder && extension.toLowerCase() === ".png") {
    const stem = out.slice(0, -extension.length);
    return count === 1 ? [out] : numbers.map((number) => `${stem}-${number}${extension}`);
  }
  if (!folder && /^\.(jpe?g|webp|gif|bmp|tiff?|avif)$/i.test(extension)) {
    throw new UsageError(`images are written as PNG; \`out\` ${out} must end in .png or name a folder`);
  }
  return numbers.map((number) => join(out, `image-${number}.png`));
}

/** @throws InputError if `folder` is not writable and cannot be created */
async function requireWritable(folder: string): Promise<void> {
  let nearest = resolve(folder);
  while (!(await exists(nearest)) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  if (!(await isFolder(nearest))) throw new InputError(`cannot write into ${folder}: ${nearest} is not a folder`);
  await access(nearest, constants.W_OK).catch((error: unknown) => {
    throw new InputError(`cannot write into ${folder}: ${messageOf(error)}`, { cause: error });
  });
}

async function exists(file: string): Promise<boolean> {
  return (await statOrNull(file)) !== null;
}
