/** @file Lists the files of a folder, with sub-folders, without hidden files or links that leave the folder for anything but a Hugging Face cache. */

import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { InputError, messageOf } from "../core/errors.js";
import { isFolder } from "../core/missing.js";
import { naturalOrder } from "../core/natural-order.js";
import { attempt, type ReportFault } from "./finding.js";
import { hasImageExtension, readableFormats } from "./image-format.js";

/** Regular files below a folder. */
export interface FolderFiles {
  /** The path that the user gave, the prefix of messages and ids. */
  readonly folder: string;
  /** Paths inside the folder, with `/`, sorted by code unit (the same on every machine). */
  readonly names: readonly string[];
}

/** Lists a folder. A link that leaves it, or has no target, is a fault. */
export async function listFiles(folder: string, report: ReportFault): Promise<FolderFiles> {
  let root: string;
  try {
    root = await realpath(folder);
    if (!(await stat(root)).isDirectory()) throw new InputError(`${folder} is not a folder`);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot open data folder ${folder}: ${messageOf(error)}`, { cause: error });
  }
  const names: string[] = [];
  const walk = async (inner: string): Promise<void> => {
    for (const entry of await readdir(join(root, inner), { withFileTypes: true })) {
      if (entry.name.startsWith(".")) continue;
      const name = inner === "" ? entry.name : `${inner}/${entry.name}`;
      if (entry.isDirectory()) await walk(name);
      else if (entry.isFile()) names.push(name);
      else if (entry.isSymbolicLink()) {
        const link = join(folder, name);
        if (await attempt(report, "damaged-file", link, () => linksToFile(link, root, name))) names.push(name);
      }
    }
  };
  try {
    await walk("");
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot read data folder ${folder}: ${messageOf(error)}`, { cause: error });
  }
  return { folder, names: names.sort() };
}

/** Full paths of the images in a folder, sorted, for commands that take captions from elsewhere. */
export async function listImages(folder: string): Promise<string[]> {
  const { names } = await listFiles(folder, ({ message }) => {
    throw new InputError(message);
  });
  const images = names.filter(hasImageExtension).sort(naturalOrder);
  if (images.length === 0) throw new InputError(`${folder} holds no ${readableFormats} image`);
  return images.map((name) => join(folder, name));
}

/** Follows links inside the folder and links into a Hugging Face cache, whose snapshots consist of them. */
async function linksToFile(link: string, root: string, name: string): Promise<boolean> {
  const target = await realpath(join(root, name)).catch((error: unknown) => {
    throw new InputError(`link ${link} leads nowhere: ${messageOf(error)}`, { cause: error });
  });
  const inside = relative(root, target);
  const leaves = inside === ".." || inside.startsWith(`..${sep}`) || resolve(root, inside) !== target;
  if (leaves && !(await isCachedBlob(target))) {
    throw new InputError(`link ${link} leaves the data folder; copy the file in, or open the folder that holds it`);
  }
  return (await stat(target)).isFile();
}

/** `hub/datasets--NAME/blobs/HASH`, next to `snapshots`. */
async function isCachedBlob(file: string): Promise<boolean> {
  const folder = dirname(file);
  return basename(folder) === "blobs" && (await isFolder(join(dirname(folder), "snapshots")));
}
