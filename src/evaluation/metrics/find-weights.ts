/** @file Which files below a folder belong to which metric, by the names under which their authors publish them. */

import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError, messageOf } from "../../core/errors.js";

export const metricNames = ["CLIPScore", "PickScore", "HPSv2.1", "ImageReward", "FID", "LPIPS"] as const;
export type MetricName = (typeof metricNames)[number];

/** Files of one metric by role. */
export type MetricFiles = Readonly<Record<string, string>>;

/** Either the files, or a line that says what is missing and where to get it. */
export type FoundWeights = { readonly files: MetricFiles } | { readonly missing: string };

interface Wanted {
  /** Picks a file out of all paths below the folder (folders are known by their config.json). */
  readonly find: (paths: readonly string[]) => string | undefined;
  readonly what: string;
}

const weightEnding = String.raw`\.(?:safetensors|pt|pth|bin)$`;
const byName = (pattern: RegExp) => (paths: readonly string[]) => paths.find((path) => pattern.test(basename(path)));

/** A folder that transformers saved a whole CLIP model to; the caller sees whether it is one. */
const folderOf = (accept: (folder: string) => boolean, prefer?: RegExp) => (paths: readonly string[]) => {
  const folders = paths
    .filter((path) => basename(path) === "config.json")
    .map(dirname)
    .filter((folder) => accept(folder) && hasFile(paths, folder, /^(?:model.*safetensors.*|pytorch_model\.bin)$/));
  return folders.find((folder) => prefer?.test(folder)) ?? folders[0];
};

function hasFile(paths: readonly string[], folder: string, pattern: RegExp): boolean {
  return paths.some((path) => dirname(path) === folder && pattern.test(basename(path)));
}

/** Byte pairs are the same for all of them. */
const clipTokenizer: Wanted = {
  find: (paths) => {
    const vocabulary = paths.find(
      (path) => basename(path) === "vocab.json" && hasFile(paths, dirname(path), /^merges\.txt$/),
    );
    return vocabulary && dirname(vocabulary);
  },
  what: "CLIP's vocab.json and merges.txt, as any CLIP folder has them (openai/clip-vit-large-patch14)",
};

const wanted: Readonly<Record<MetricName, Readonly<Record<string, Wanted>>>> = {
  CLIPScore: {
    folder: {
      find: folderOf(
        (folder) => /clip/i.test(basename(folder)) || /models--[^/\\]*clip/i.test(folder),
        /clip-vit-large-patch14/i,
      ),
      what: "a folder with clip in its name that transformers saved a CLIP model to: a download of openai/clip-vit-large-patch14 is the paper's",
    },
  },
  PickScore: {
    folder: {
      find: folderOf((folder) => /pickscore/i.test(folder)),
      what: "a folder with PickScore in its name: a download of yuvalkirstain/PickScore_v1",
    },
    tokenizer: clipTokenizer,
  },
  "HPSv2.1": {
    model: {
      find: byName(new RegExp(`^HPS_?v2\\.1.*${weightEnding}`, "i")),
      what: "HPS_v2.1_compressed.pt, a download from xswu/HPSv2",
    },
    tokenizer: clipTokenizer,
  },
  ImageReward: {
    model: {
      find: byName(new RegExp(`^ImageReward.*${weightEnding}`, "i")),
      what: "ImageReward.pt, a download from THUDM/ImageReward (zai-org)",
    },
    tokenizer: {
      find: (paths) => {
        const inFolder = (name: string) =>
          paths.find((path) => basename(path) === name && /bert/i.test(basename(dirname(path))));
        const file = paths.find((path) => basename(path) === "vocab.txt") ?? inFolder("tokenizer.json");
        return file && dirname(file);
      },
      what: "BERT's vocab.txt, a download from bert-base-uncased",
    },
  },
  FID: {
    model: {
      find: byName(new RegExp(`inception.*${weightEnding}`, "i")),
      what: "pt_inception-2015-12-05-6726825d.pth, which pytorch-fid downloads from its releases",
    },
  },
  LPIPS: {
    trunk: {
      find: byName(new RegExp(`^vgg16.*${weightEnding}`, "i")),
      what: "vgg16-397923af.pth, torchvision's weights of VGG16",
    },
    linear: {
      find: byName(new RegExp(`^(?:vgg|.*lpips.*)${weightEnding}`, "i")),
      what: "vgg.pth, from lpips/weights/v0.1 of the package lpips",
    },
  },
};

/** Below these folders of folders nothing is sought: downloads of the Hugging Face cache lie three deep. */
const deepest = 4;

/** What `folder` has for each of `names`; without a folder, what all of them would need. */
export async function findWeights(
  folder: string | undefined,
  names: readonly MetricName[],
): Promise<ReadonlyMap<MetricName, FoundWeights>> {
  const paths = folder === undefined ? [] : await listPaths(folder);
  return new Map(names.map((name) => [name, look(name, folder, paths)]));
}

function look(name: MetricName, folder: string | undefined, paths: readonly string[]): FoundWeights {
  const files: Record<string, string> = {};
  for (const [role, { find, what }] of Object.entries(wanted[name])) {
    const found = find(paths);
    if (found === undefined) {
      const where = folder === undefined ? "give `weights` with a folder that has" : `${folder} lacks`;
      return { missing: `${where} ${what}` };
    }
    files[role] = found;
  }
  return { files };
}

async function listPaths(folder: string): Promise<string[]> {
  if (!(await isFolder(folder))) throw new InputError(`the weights folder ${folder} is no folder`);
  const found: string[] = [];
  const walk = async (inner: string, depth: number): Promise<void> => {
    const names = await readdir(inner).catch((error: unknown) => {
      throw new InputError(`cannot read the weights folder ${inner}: ${messageOf(error)}`, { cause: error });
    });
    for (const name of names.sort()) {
      if (name.startsWith(".")) continue;
      const path = join(inner, name);
      if (!(await isFolder(path))) found.push(path);
      else if (depth < deepest) await walk(path, depth + 1);
    }
  };
  await walk(folder, 0);
  return found;
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
