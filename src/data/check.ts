/** @file Looking through a data set before anything is trained on it: what cannot be used, and what is better known. */

import { createHash } from "node:crypto";
import { InputError } from "../core/errors.js";
import { at } from "../core/lists.js";
import type { CaptionedImage } from "./captioned-image.js";
import { type DataSet, openDataSet } from "./data-set.js";
import { decodeAll } from "./decode-all.js";
import { Faults } from "./finding.js";
import { nearDuplicates } from "./near-duplicates.js";

/** What does not keep a data set from being used, but makes it worse. */
export const noteKinds = ["over-token-limit", "duplicate-image", "equal-captions", "similar-captions"] as const;
export type NoteKind = (typeof noteKinds)[number];

export interface Note {
  readonly kind: NoteKind;
  /** Ids of the images that it is about. */
  readonly where: readonly string[];
  /** One line. */
  readonly message: string;
}

export interface DataCheck {
  /** Undefined where nothing of the data set can be used. */
  readonly dataSet: Pick<DataSet, "shape" | "because"> | undefined;
  /** Images and captions that can be used. */
  readonly images: number;
  readonly captions: number;
  /** What cannot be used. */
  readonly faults: Faults;
  readonly notes: readonly Note[];
  /** False where similar captions were too many to compare them all. */
  readonly complete: boolean;
}

export interface CheckOptions {
  /** What is cut off of a caption, in words; undefined where it is read to its end. */
  readonly cutOff: (caption: string) => string | undefined;
  /** Similarity (`nearDuplicates`) from which captions are told; 1 tells equal ones only. */
  readonly similarity: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** How much of similar captions a message shows. */
const shownCaptions = 4;
const shownLength = 200;

/** Opens the data set, decodes every image and compares all captions. It throws only when it is interrupted. */
export async function checkDataSet(path: string, options: CheckOptions): Promise<DataCheck> {
  const faults = new Faults();
  let dataSet: DataSet;
  try {
    dataSet = await openDataSet(path, faults.add);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    // Where nothing could be used because of the parts, the parts have been told.
    if (faults.total === 0) faults.add({ kind: "damaged-file", where: path, message: error.message });
    return { dataSet: undefined, images: 0, captions: 0, faults, notes: [], complete: true };
  }
  const { signal, onProgress, cutOff, similarity } = options;
  const twins = new Groups();
  const hooks = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
  const items = await decodeAll(dataSet.items, faults.add, {
    ...hooks,
    onImage: ({ id }, bytes) => twins.add(createHash("sha256").update(bytes).digest("base64"), id),
  });
  const { notes, complete } = captionNotes(items, similarity);
  return {
    dataSet,
    images: items.length,
    captions: items.reduce((sum, { captions }) => sum + captions.length, 0),
    faults,
    notes: [...tooLong(items, cutOff), ...twins.notes("duplicate-image", () => "the same image"), ...notes],
    complete,
  };
}

function tooLong(items: readonly CaptionedImage[], cutOff: CheckOptions["cutOff"]): Note[] {
  return items.flatMap(({ id, captions }) =>
    captions.flatMap((caption): Note[] => {
      const cut = cutOff(caption);
      return cut === undefined ? [] : [{ kind: "over-token-limit", where: [id], message: cut }];
    }),
  );
}

/** Captions of different images that are equal, or nearly so. Variants of one image may be alike. */
function captionNotes(items: readonly CaptionedImage[], similarity: number) {
  const owners = new Groups();
  for (const { id, captions } of items) for (const caption of captions) owners.add(caption, id);
  const texts = owners.keys();
  const { groups, complete } = nearDuplicates(texts, similarity);
  const similar = groups.flatMap((group): Note[] => {
    const where = new Set(group.flatMap((index) => owners.of(at(texts, index))));
    if (where.size < 2) return [];
    const shown = group.slice(0, shownCaptions).map((index) => JSON.stringify(at(texts, index).slice(0, shownLength)));
    const rest = group.length > shownCaptions ? [`${group.length - shownCaptions} more`] : [];
    return [{ kind: "similar-captions", where: [...where], message: [...shown, ...rest].join(", ") }];
  });
  return {
    notes: [...owners.notes("equal-captions", (caption) => JSON.stringify(caption.slice(0, shownLength))), ...similar],
    complete,
  };
}

/** Ids by what they have in common. */
class Groups {
  private readonly groups = new Map<string, string[]>();

  add(key: string, id: string): void {
    const group = this.groups.get(key);
    if (group) group.push(id);
    else this.groups.set(key, [id]);
  }

  keys(): string[] {
    return [...this.groups.keys()];
  }

  of(key: string): readonly string[] {
    return this.groups.get(key) ?? [];
  }

  /** One note for each group of two or more, the largest first. */
  notes(kind: NoteKind, message: (key: string) => string): Note[] {
    const shared = [...this.groups].filter(([, ids]) => ids.length > 1).sort(([, a], [, b]) => b.length - a.length);
    return shared.map(([key, where]) => ({ kind, where, message: message(key) }));
  }
}
