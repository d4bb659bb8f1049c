/**
 * @file COCO captions: `annotations/captions_train2017.json` with `images[].{id,file_name}` and
 * `annotations[].{image_id,caption}`, and the image folder of the same suffix (`train2017/`) beside it.
 */

import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { at } from "../../core/lists.js";
import { captionOf } from "../caption.js";
import type { CaptionedImage } from "../captioned-image.js";
import { attempt, type ReportFault } from "../finding.js";
import type { FolderFiles } from "../folder-files.js";
import { captionedFiles } from "../image-files.js";
import { relativeImagePath } from "../inner-path.js";
import { parseJsonText, readTextFile } from "../text-file.js";
import type { DataFormat } from "./format.js";

export const coco: DataFormat = {
  title: "COCO captions",
  recognise: ({ names }) => names.filter(isCaptionsFile)[0],
  read: async (files, report) => readCoco(files, chooseCaptionsFile(files), report),
};

/** The format for a captions file that the user named. */
export function cocoFrom(captionsFile: string): DataFormat {
  return { ...coco, read: (files, report) => readCoco(files, captionsFile, report) };
}

function isCaptionsFile(name: string): boolean {
  return /^(annotations\/)?captions[^/]*\.json$/i.test(name);
}

/** Of several captions files (the download has train and val), the one whose image folder exists. */
function chooseCaptionsFile({ folder, names }: FolderFiles): string {
  const files = names.filter(isCaptionsFile);
  if (files.length === 1) return at(files, 0);
  const withImages = files.filter((file) => {
    const roots = imageRoots(file).filter((root) => root.endsWith(`${suffixOf(file)}/`));
    return names.some((name) => roots.some((root) => name.startsWith(root)));
  });
  if (withImages.length === 1) return at(withImages, 0);
  const [first = "captions_train2017.json"] = files;
  throw new InputError(
    `${folder} holds ${files.length} captions files (${files.join(", ")}); name one: ${join(folder, first)}`,
  );
}

const idSchema = z.union([z.int(), z.string()]);
const instancesSchema = z.object(
  {
    images: z.array(z.unknown(), "needs images (a list)"),
    annotations: z.array(z.unknown(), "needs annotations (a list)"),
  },
  "must be one JSON object with images and annotations",
);
const imageSchema = z.object({ id: idSchema, file_name: z.string() });
const annotationSchema = z.object({ image_id: idSchema, caption: z.string() });

async function readCoco(files: FolderFiles, name: string, report: ReportFault): Promise<CaptionedImage[]> {
  const { folder } = files;
  const file = join(folder, name);
  const parsed = instancesSchema.safeParse(parseJsonText(await readTextFile(file), file));
  if (!parsed.success) throw new InputError(`${file}: ${parsed.error.issues[0]?.message ?? "is invalid"}`);
  const images = await readImages(parsed.data.images, file, report);
  const root = chooseRoot(files, name, [...images.values()]);

  const captions = new Map<string, Set<string>>();
  const present = new Set(files.names);
  const missing = new Set<string>();
  for (const image of new Set(images.values())) {
    const inside = `${root}${image}`;
    if (present.has(inside)) captions.set(inside, new Set());
    else missing.add(inside);
  }
  for (const inside of missing) {
    report({
      kind: "missing-image",
      where: join(folder, inside),
      message: `${file}: there is no image ${inside} in ${folder}`,
    });
  }
  for (const [index, entry] of parsed.data.annotations.entries()) {
    const where = `${file}: annotations[${index}]`;
    await attempt(report, "bad-caption", where, () => {
      const { data } = annotationSchema.safeParse(entry);
      if (data === undefined) throw new InputError(`${where} needs an image_id and a caption (a string)`);
      const image = images.get(String(data.image_id));
      if (image === undefined)
        throw new InputError(`${where}: there is no image with the id ${idShown(data.image_id)}`);
      captions.get(`${root}${image}`)?.add(captionOf(data.caption, where));
    });
  }
  for (const [inside, texts] of captions) {
    if (texts.size > 0) continue;
    captions.delete(inside);
    const where = join(folder, inside);
    report({ kind: "missing-caption", where, message: `image ${where} has no caption (an annotation in ${name})` });
  }
  return captionedFiles(folder, captions, report);
}

/** Reads file names by id. */
async function readImages(
  entries: readonly unknown[],
  file: string,
  report: ReportFault,
): Promise<Map<string, string>> {
  const images = new Map<string, string>();
  for (const [index, entry] of entries.entries()) {
    const where = `${file}: images[${index}]`;
    await attempt(report, "missing-image", where, () => {
      const { data } = imageSchema.safeParse(entry);
      if (data === undefined) throw new InputError(`${where} needs an id and a file_name (a string)`);
      const key = String(data.id);
      if (images.has(key)) throw new InputError(`${where}: another image has the id ${idShown(data.id)}`);
      images.set(key, relativeImagePath(data.file_name, where));
    });
  }
  return images;
}

/** Of the possible image folders, the one with most of the first hundred images. */
function chooseRoot({ folder, names }: FolderFiles, captionsFile: string, images: readonly string[]): string {
  const present = new Set(names);
  const sample = images.slice(0, 100);
  const roots = imageRoots(captionsFile);
  const found = roots.map((root) => sample.filter((name) => present.has(`${root}${name}`)).length);
  const most = Math.max(...found);
  if (most > 0) return at(roots, found.indexOf(most));
  if (images.length === 0) throw new InputError(`${join(folder, captionsFile)} lists no image`);
  const places = roots.map((root) => (root === "" ? "the folder itself" : root)).join(", ");
  throw new InputError(
    `the images of ${join(folder, captionsFile)} are not in ${folder}: looked for ${sample[0]} in ${places}`,
  );
}

/** Possible image folders of a captions file, "" or with a trailing `/`. */
function imageRoots(captionsFile: string): string[] {
  const suffix = suffixOf(captionsFile);
  const beside = dirname(captionsFile) === "annotations" ? ["annotations/"] : [];
  const own = suffix === "" ? [] : [`${suffix}/`, `images/${suffix}/`];
  return [...own, "images/", "", ...beside];
}

/** `train2017` of `captions_train2017.json`. */
function suffixOf(captionsFile: string): string {
  return basename(captionsFile)
    .replace(/\.json$/i, "")
    .replace(/^captions_?/i, "");
}

function idShown(value: number | string): string {
  return JSON.stringify(typeof value === "string" ? value.slice(0, 40) : value);
}
