/** @file Where results go: settled and checked before a model is loaded, so that no work is lost at its end. */

import { access, constants, readdir } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { InputError, messageOf, UsageError } from "../core/errors.js";
import { ifMissing, isFolder, statOrNull } from "../core/missing.js";
import { lockName } from "./folder/run-lock.js";

/** Refuses a run folder that holds something already (unless `force`) or that cannot be written. */
export async function requireRunFolder(folder: string, force: boolean): Promise<void> {
  await requireWritable(folder);
  // A lock is no result: whether it holds is for who trains to say.
  const entries = (await readdir(folder).catch(ifMissing<string[]>([]))).filter((name) => !name.startsWith(lockName));
  if (entries.length > 0 && !force) {
    throw new InputError(`run folder ${folder} is not empty; name another one, or overwrite it with \`force\``);
  }
}

/**
 * Files for `count` images.
 *
 * `name.png`: that file, or name-0001.png, name-0002.png ... for several. Anything else is a folder, and the files
 * in it are image-0001.png ... A file that exists is refused unless `force`.
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

/** Refuses a folder that neither is there and writable nor can be made. */
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
