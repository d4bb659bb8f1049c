/**
 * @file Tar shards in webdataset's layout: adjacent members with the same key are a sample, `key.jpg` with `key.txt` (one
 * caption per line) or with `caption` or `text` in `key.json`. Images stay in their shards and are read by offset.
 */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { type ByteSource, withByteSource } from "../byte-source.js";
import { captionLines, captionOf } from "../caption.js";
import { type CaptionedImage, maxImageBytes } from "../captioned-image.js";
import { attempt, type ReportFault } from "../finding.js";
import { hasImageExtension, requireImageBytes } from "../image-format.js";
import { BlockReader, readTar, type TarMember } from "../tar/read-tar.js";
import { decodeText, parseJsonText } from "../text-file.js";
import type { DataFormat } from "./format.js";
import { maxCaptionFileBytes } from "./sidecar.js";
import { requireOneSplit } from "./splits.js";

export const webdataset: DataFormat = {
  title: "webdataset tar shards",
  recognise: ({ names }) => {
    const shards = names.filter(isShard).length;
    const compressed = names.filter(isCompressedShard).length;
    if (shards === 0 && compressed === 0) return undefined;
    return `${shards} .tar files${compressed > 0 ? ` and ${compressed} compressed ones` : ""}`;
  },
  read: async ({ folder, names }, report, note) => {
    const shards = names.filter(isShard);
    requireOneSplit(folder, shards);
    for (const name of names.filter(isCompressedShard)) {
      const where = join(folder, name);
      const message = `${where} is compressed, so it cannot be read by offset; decompress it to a .tar`;
      report({ kind: "damaged-file", where, message });
    }
    const items: CaptionedImage[] = [];
    for (const name of shards) {
      const file = join(folder, name);
      await attempt(report, "damaged-file", file, () =>
        withByteSource(file, (source) => readShard(source, items, report, note)),
      );
    }
    return items;
  },
};

export function isShard(name: string): boolean {
  return name.toLowerCase().endsWith(".tar");
}

export function isCompressedShard(name: string): boolean {
  return /\.(tar\.(gz|bz2|xz|zst)|tgz)$/i.test(name);
}

/** Members of one key, by extension. */
interface Sample {
  readonly key: string;
  readonly members: Map<string, TarMember>;
}

async function readShard(
  source: ByteSource,
  items: CaptionedImage[],
  report: ReportFault,
  note: (text: string) => void,
): Promise<void> {
  const blocks = new BlockReader(source);
  const seen = new Set<string>();
  const skipped: string[] = [];
  const finish = async (group: Sample | undefined): Promise<void> => {
    if (group === undefined) return;
    const samples = samplesOf(group);
    for (const sample of samples) await finishOne(sample);
    const used = new Set(samples.flatMap(({ members }) => [...members.values()]));
    skipped.push(...[...group.members.values()].filter((member) => !used.has(member)).map(({ name }) => name));
  };
  const finishOne = async (sample: Sample): Promise<void> => {
    if (![...sample.members.keys()].some((extension) => isImage(extension) || extension === "txt")) {
      skipped.push(...[...sample.members.values()].map(({ name }) => name));
      return;
    }
    const where = `${source.file}#${sample.key}`;
    if (seen.has(sample.key)) {
      report({ kind: "damaged-file", where, message: `${where}: an earlier sample has the same key` });
      return;
    }
    seen.add(sample.key);
    const item = await sampleImage(source.file, blocks, sample, report);
    if (item !== undefined) items.push(item);
  };
  let sample: Sample | undefined;
  let members = 0;
  try {
    for await (const member of readTar(source)) {
      members++;
      const { key, extension } = splitName(member.name);
      if (extension === "") {
        skipped.push(member.name);
        continue;
      }
      if (sample?.key !== key) {
        await finish(sample);
        sample = { key, members: new Map() };
      }
      if (sample.members.has(extension)) skipped.push(member.name);
      else sample.members.set(extension, member);
    }
  } catch (error) {
    // The last sample of a truncated archive may have lost its caption, which is reported.
    await finish(sample);
    throw error;
  }
  await finish(sample);
  if (skipped.length > 0) {
    skipped.sort();
    const shown = skipped.slice(0, 3).join(", ") + (skipped.length > 3 ? ", ..." : "");
    note(`${source.file}: ${skipped.length} members without an image or caption skipped (${shown})`);
  }
  if (members === 0) throw new InputError(`${source.file} is an empty archive`);
}

/**
 * The samples of a key. webdataset's keys end at the first dot, so that `img.001.jpg` and `img.002.jpg` have one key: members
 * with further dots are samples of their own, unless they belong to an image without (`x.seg.png` to `x.jpg`).
 */
function samplesOf(group: Sample): Sample[] {
  const plain = new Map([...group.members].filter(([extension]) => !extension.includes(".")));
  const own = new Map<string, Map<string, TarMember>>();
  for (const [extension, member] of group.members) {
    const dot = extension.lastIndexOf(".");
    if (dot < 0) continue;
    const key = `${group.key}.${extension.slice(0, dot)}`;
    own.set(key, (own.get(key) ?? new Map()).set(extension.slice(dot + 1), member));
  }
  const hasImage = [...plain.keys()].some(isImage);
  const dotted = [...own].filter(([, members]) => {
    const image = [...members.keys()].some(isImage);
    return hasImage ? image && members.has("txt") : image || members.has("txt");
  });
  return [
    ...(plain.size > 0 ? [{ key: group.key, members: plain }] : []),
    ...dotted.map(([key, members]) => ({ key, members })),
  ];
}

/** Splits a path at the first dot of its last part into key and extension. */
export function splitName(path: string): { readonly key: string; readonly extension: string } {
  const name = path.replace(/^(\.\/)+/, "");
  const base = name.slice(name.lastIndexOf("/") + 1);
  const dot = base.indexOf(".", 1);
  if (dot < 0 || base.startsWith(".")) return { key: name, extension: "" };
  return {
    key: name.slice(0, name.length - base.length + dot),
    extension: base.slice(dot + 1).toLowerCase(),
  };
}

async function sampleImage(
  file: string,
  blocks: BlockReader,
  { key, members }: Sample,
  report: ReportFault,
): Promise<CaptionedImage | undefined> {
  const [extension, image] = [...members].find(([name]) => isImage(name)) ?? [];
  const texts = ["txt", "json"].filter((name) => members.has(name));
  if (image === undefined || extension === undefined) {
    // Samples of other modalities are ignored; a caption alone means that its image is missing.
    if (!members.has("txt")) return undefined;
    const where = `${file}#${key}.txt`;
    report({ kind: "missing-image", where, message: `${where} has no png, jpeg or webp image next to it` });
    return undefined;
  }
  const id = `${file}#${key}.${extension}`;
  if (texts.length === 0) {
    report({ kind: "missing-caption", where: id, message: `image ${id} has no caption (${key}.txt or ${key}.json)` });
    return undefined;
  }
  const captions = await attempt(report, "bad-caption", id, () => readCaptions(file, blocks, key, members));
  const opened = await attempt(report, "unreadable-image", id, async () => {
    if (image.size > maxImageBytes)
      throw new InputError(`image ${id} has ${image.size} bytes, the limit is ${maxImageBytes}`);
    requireImageBytes(await blocks.read(image.offset, Math.min(12, image.size)), id);
    return true;
  });
  if (captions === undefined || opened === undefined) return undefined;
  return { id, captions, read: () => withByteSource(file, (source) => source.read(image.offset, image.size)) };
}

/** Excludes extensions such as `seg.png`, which are annotations of the image. */
function isImage(extension: string): boolean {
  return !extension.includes(".") && hasImageExtension(`x.${extension}`);
}

const jsonSchema = z.object({ caption: z.string().nullish(), text: z.string().nullish() });

async function readCaptions(
  file: string,
  blocks: BlockReader,
  key: string,
  members: ReadonlyMap<string, TarMember>,
): Promise<string[]> {
  const read = async (member: TarMember, where: string) => {
    if (member.size > maxCaptionFileBytes) {
      throw new InputError(`${where} has ${member.size} bytes, the limit is ${maxCaptionFileBytes}`);
    }
    return decodeText(await blocks.read(member.offset, member.size), where);
  };
  const [text, json] = [members.get("txt"), members.get("json")];
  if (text !== undefined) {
    const where = `caption file ${file}#${key}.txt`;
    return captionLines(await read(text, where), where);
  }
  if (json === undefined) return [];
  const where = `${file}#${key}.json`;
  const parsed = jsonSchema.safeParse(parseJsonText(await read(json, where), where));
  const caption = parsed.data?.caption ?? parsed.data?.text ?? undefined;
  if (caption === undefined) throw new InputError(`${where}: needs a caption (a string under caption or text)`);
  return [captionOf(caption, where)];
}
