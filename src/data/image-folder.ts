/** @file A folder of captioned images: `metadata.jsonl`, or a `.txt` caption file beside each image. */

import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { InputError, messageOf } from "../core/errors.js";
import { type CaptionedImage, imageFile } from "./captioned-image.js";
import { hasImageExtension, readableFormats, requireImageFile } from "./image-format.js";
import { readMetadata } from "./metadata.js";
import { readTextFile } from "./text-file.js";

/** Captioned images, sorted by their path inside the folder (by code unit, so alike on every machine). */
export interface ImageCaptionSet {
  readonly folder: string;
  readonly items: readonly CaptionedImage[];
}

/**
 * Opens a folder of captioned images and checks it whole: names, links, captions, and the first bytes of every image.
 *
 * With a `metadata.jsonl` its lines say which images there are; several lines of one image are variants, and `.txt`
 * files are ignored. Without one, every image needs a `.txt` of the same name; its lines are variants. Sub-folders
 * count, hidden files and folders do not.
 */
export async function openImageFolder(folder: string): Promise<ImageCaptionSet> {
  const names = await listFiles(folder);
  const captions = names.includes("metadata.jsonl")
    ? await captionsFromMetadata(folder, names)
    : await captionsFromSidecars(folder, names);
  const sorted = [...captions].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const items = sorted.map(([name, captions]) => ({ ...imageFile(join(folder, name)), captions }));
  for (const { id } of items) await requireImageFile(id);
  return { folder, items };
}

/** Images of a folder, captions or not, sorted: full paths. For commands whose captions come from elsewhere. */
export async function listImages(folder: string): Promise<string[]> {
  const images = (await listFiles(folder)).filter(hasImageExtension).sort();
  if (images.length === 0) throw new InputError(`${folder} holds no ${readableFormats} image`);
  return images.map((name) => join(folder, name));
}

type Captions = Map<string, string[]>;

async function captionsFromMetadata(folder: string, names: readonly string[]): Promise<Captions> {
  const file = join(folder, "metadata.jsonl");
  const present = new Set(names);
  const captions: Captions = new Map();
  for (const { name, text, line } of await readMetadata(file)) {
    if (!present.has(name)) throw new InputError(`${file} line ${line}: there is no image ${name} in ${folder}`);
    const variants = captions.get(name);
    if (!variants) captions.set(name, [text]);
    else if (!variants.includes(text)) variants.push(text);
  }
  refuseUncaptioned(folder, names, captions, "a line in metadata.jsonl");
  return captions;
}

async function captionsFromSidecars(folder: string, names: readonly string[]): Promise<Captions> {
  const images = names.filter(hasImageExtension);
  const sidecars = new Set(names.filter((name) => name.endsWith(".txt")));
  refuseMisnamedMetadata(folder, names);
  if (images.length === 0 && sidecars.size === 0) {
    throw new InputError(`data folder ${folder} holds no ${readableFormats} image`);
  }

  const captions: Captions = new Map();
  const owners = new Map<string, string>();
  for (const image of images) {
    const sidecar = `${withoutExtension(image)}.txt`;
    if (!sidecars.has(sidecar)) continue;
    const other = owners.get(sidecar);
    if (other) throw new InputError(`${other} and ${image} in ${folder} share one caption file; rename one of them`);
    owners.set(sidecar, image);
    captions.set(image, await readSidecar(join(folder, sidecar)));
  }
  for (const sidecar of sidecars) {
    if (owners.has(sidecar)) continue;
    const stem = withoutExtension(sidecar);
    const hint = images.includes(stem) ? `; name it ${withoutExtension(stem)}.txt` : "";
    throw new InputError(`caption file ${join(folder, sidecar)} has no ${readableFormats} image beside it${hint}`);
  }
  refuseUncaptioned(folder, names, captions, "a .txt caption file");
  return captions;
}

async function readSidecar(file: string): Promise<string[]> {
  const lines = (await readTextFile(file)).split(/\r\n|\r|\n/).map((line) => line.trim());
  const captions = [...new Set(lines.filter((line) => line !== ""))];
  if (captions.length === 0) throw new InputError(`caption file ${file} is empty`);
  return captions;
}

function refuseUncaptioned(folder: string, names: readonly string[], captions: Captions, wanted: string): void {
  const bare = names.filter((name) => hasImageExtension(name) && !captions.has(name)).sort();
  if (bare.length === 0) return;
  const shown = bare.slice(0, 3).join(", ") + (bare.length > 3 ? ", ..." : "");
  const [count, verb] = bare.length === 1 ? ["1 image", "has"] : [`${bare.length} images`, "have"];
  throw new InputError(`${count} in ${folder} ${verb} no caption (${wanted}): ${shown}`);
}

/** Names that people give a metadata file by mistake, and where Hugging Face data sets keep theirs. */
function refuseMisnamedMetadata(folder: string, names: readonly string[]): void {
  for (const name of names) {
    const base = basename(name);
    if (base === "metadata.jsonl") {
      const inner = join(folder, dirname(name));
      throw new InputError(`${folder} has its metadata.jsonl in a sub-folder; name that folder instead: ${inner}`);
    }
    if (/^metadata\.(json.*|csv|tsv|parquet)$/i.test(base)) {
      const file = join(folder, name);
      throw new InputError(`${file} is not read; captions come from metadata.jsonl (one JSON object a line)`);
    }
  }
}

function withoutExtension(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}

/** Regular files under `folder`, as paths inside it with `/`; a link that leaves the folder is refused. */
async function listFiles(folder: string): Promise<string[]> {
  let root: string;
  try {
    root = await realpath(folder);
    if (!(await stat(root)).isDirectory()) throw new InputError(`${folder} is not a folder`);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot open data folder ${folder}: ${messageOf(error)}`, { cause: error });
  }
  const found: string[] = [];
  const walk = async (inner: string): Promise<void> => {
    for (const entry of await readdir(join(root, inner), { withFileTypes: true })) {
      if (entry.name.startsWith(".")) continue;
      const name = inner === "" ? entry.name : `${inner}/${entry.name}`;
      if (entry.isDirectory()) await walk(name);
      else if (entry.isFile()) found.push(name);
      else if (entry.isSymbolicLink() && (await linksToFile(folder, root, name))) found.push(name);
    }
  };
  try {
    await walk("");
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot read data folder ${folder}: ${messageOf(error)}`, { cause: error });
  }
  return found;
}

async function linksToFile(folder: string, root: string, name: string): Promise<boolean> {
  const link = join(folder, name);
  const target = await realpath(join(root, name)).catch((error: unknown) => {
    throw new InputError(`link ${link} leads nowhere: ${messageOf(error)}`, { cause: error });
  });
  const inside = relative(root, target);
  if (inside === ".." || inside.startsWith(`..${sep}`) || resolve(root, inside) !== target) {
    throw new InputError(`link ${link} leaves the data folder; copy the file in, or open the folder that holds it`);
  }
  return (await stat(target)).isFile();
}
