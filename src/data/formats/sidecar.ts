/** @file Images with a `.txt` or `.caption` file each, one caption per line; the lines are variants. */

import { basename, dirname, join } from "node:path";
import { InputError } from "../../core/errors.js";
import { captionLines } from "../caption.js";
import type { CaptionedImage } from "../captioned-image.js";
import { attempt, type ReportFault } from "../finding.js";
import type { FolderFiles } from "../folder-files.js";
import { captionedFiles } from "../image-files.js";
import { hasImageExtension, readableFormats } from "../image-format.js";
import { readTextFile } from "../text-file.js";
import type { DataFormat } from "./format.js";

/** Largest caption file in bytes. */
export const maxCaptionFileBytes = 2 ** 20;

export const sidecar: DataFormat = {
  title: "images with .txt captions",
  recognise: ({ names }) => {
    const images = names.filter(hasImageExtension).length;
    const texts = names.filter(isCaptionFile).length;
    if (images === 0 && texts === 0) return undefined;
    return `${images} image files and ${texts} .txt files`;
  },
  read: readSidecars,
};

async function readSidecars({ folder, names }: FolderFiles, report: ReportFault): Promise<CaptionedImage[]> {
  requireNoMisnamedMetadata(folder, names);
  const images = names.filter(hasImageExtension);
  const sidecars = new Set(names.filter(isCaptionFile));
  // By NFC names, since macOS stores the accents of file names apart.
  const byStem = new Map<string, string>();
  for (const name of [...sidecars].sort((a, b) => Number(a.endsWith(".txt")) - Number(b.endsWith(".txt")))) {
    byStem.set(withoutExtension(name).normalize("NFC"), name);
  }
  const captions = new Map<string, readonly string[]>();
  const owners = new Map<string, string>();
  const bare: string[] = [];
  for (const image of images) {
    const sidecar = byStem.get(withoutExtension(image).normalize("NFC"));
    const where = join(folder, image);
    const owner = owners.get(sidecar ?? "");
    if (sidecar === undefined) {
      bare.push(where);
    } else if (owner !== undefined) {
      const message = `${owner} and ${image} in ${folder} share one caption file; rename one of them`;
      report({ kind: "missing-caption", where, message });
    } else {
      owners.set(sidecar, image);
      const file = join(folder, sidecar);
      const variants = await attempt(report, "bad-caption", file, async () =>
        captionLines(await readTextFile(file, maxCaptionFileBytes), `caption file ${file}`),
      );
      if (variants !== undefined) captions.set(image, variants);
    }
  }
  const known = new Set(images);
  for (const sidecar of sidecars) {
    if (owners.has(sidecar)) continue;
    const where = join(folder, sidecar);
    const stem = withoutExtension(sidecar);
    const hint = known.has(stem) ? `; name it ${withoutExtension(stem)}.txt` : "";
    const message = `caption file ${where} has no ${readableFormats} image next to it${hint}`;
    report({ kind: "missing-image", where, message });
  }
  // Reported last, since a misnamed caption file is the more useful fault.
  for (const where of bare) {
    report({ kind: "missing-caption", where, message: `image ${where} has no caption (a .txt or .caption file)` });
  }
  return captionedFiles(folder, captions, report);
}

/** Throws an InputError for misspelt metadata files, and for metadata.jsonl in a sub-folder. */
function requireNoMisnamedMetadata(folder: string, names: readonly string[]): void {
  const inner = names.filter((name) => basename(name) === "metadata.jsonl").map((name) => join(folder, dirname(name)));
  if (inner.length > 0) {
    const instead = inner.length === 1 ? "name that folder instead" : "name one of these folders";
    throw new InputError(`${folder} has metadata.jsonl in sub-folders; ${instead}: ${inner.join(", ")}`);
  }
  for (const name of names) {
    const base = basename(name);
    if (/^metadata\.(json.*|csv|tsv)$/i.test(base)) {
      const file = join(folder, name);
      throw new InputError(`${file} is not read; captions come from metadata.jsonl (one JSON object per line)`);
    }
  }
}

/** `.caption` is kohya's ending. */
function isCaptionFile(name: string): boolean {
  return /\.(txt|caption)$/i.test(name);
}

function withoutExtension(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}
